"""What an append makes of the trees: from locked heads and new commitments to the rows to write. No I/O."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trenova.domain.batch import Head
from trenova.ledger import tiles, tree
from trenova.ledger.hashing import leaf, split_hashes
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.ledger.tiles import Addition
from trenova.ledger.tree import Frontier


@dataclass(frozen=True, slots=True, kw_only=True)
class GrownTree:
    """One tenant's tree after an append that added leaves to it."""

    tenant: str
    before: int
    """Its size before the append."""
    frontier: Frontier
    additions: tuple[Addition, ...]
    note: bytes
    """The signed checkpoint at its new size."""


def grow_trees(
    signer: LedgerSigner, heads: Mapping[str, Frontier], new_commitments: Mapping[str, bytes]
) -> list[GrownTree]:
    """The trees of `heads` that grow, each by its new 32-byte commitments, joined in the order of the ledger."""
    return [
        grow_tree(signer, tenant, heads[tenant], split_hashes(joined)) for tenant, joined in new_commitments.items()
    ]


def grow_tree(signer: LedgerSigner, tenant: str, frontier: Frontier, commitments: Iterable[bytes]) -> GrownTree:
    growth = tree.grow(frontier, map(leaf, commitments))
    after = growth.frontier
    return GrownTree(
        tenant=tenant,
        before=frontier.size,
        frontier=after,
        additions=tiles.additions(growth.runs),
        note=signer.sign(tenant, size=after.size, root=tree.root(after)),
    )


def frontier_of(size: int, hashes: bytes) -> Frontier:
    """The frontier as the table `heads` keeps it."""
    return Frontier(size=size, hashes=tuple(split_hashes(hashes)))


def head_of(tenant: str, frontier: Frontier) -> Head:
    return Head(tenant=tenant, size=frontier.size, root=b64encode(tree.root(frontier)).decode())


def tile_columns(grown: Sequence[GrownTree]) -> dict[str, list[Any]]:
    """The parameters of `add_hashes.sql`."""
    additions = [(each.tenant, addition) for each in grown for addition in each.additions]
    return {
        "tenants": [tenant for tenant, _ in additions],
        "levels": [addition.level for _, addition in additions],
        "indexes": [addition.index for _, addition in additions],
        "hashes": [addition.hashes for _, addition in additions],
    }


def head_columns(grown: Sequence[GrownTree]) -> dict[str, list[Any]]:
    """The parameters of `move_heads.sql` and `add_checkpoints.sql`."""
    return {
        "tenants": [each.tenant for each in grown],
        "befores": [each.before for each in grown],
        "sizes": [each.frontier.size for each in grown],
        "frontiers": [b"".join(each.frontier.hashes) for each in grown],
        "notes": [each.note for each in grown],
    }
