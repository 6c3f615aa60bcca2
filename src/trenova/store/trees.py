"""What an append makes of the tenants' trees: from locked heads and fresh commitments to the rows to write. No I/O."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trenova.domain.batch import Head
from trenova.ledger import tiles, tree
from trenova.ledger.hashing import HASH_BYTES, leaf
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.ledger.tiles import Addition
from trenova.ledger.tree import Frontier


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """One tenant's tree after an append that added leaves to it."""

    tenant: str
    before: int
    """Its size before the append."""
    frontier: Frontier
    additions: tuple[Addition, ...]
    note: bytes
    """The signed checkpoint at its new size."""


def grown(signer: LedgerSigner, heads: Mapping[str, Frontier], fresh: Mapping[str, bytes]) -> list[Grown]:
    """The trees of `heads`, each grown by the joined 32-byte commitments that are new in its log, in log order."""
    return [grow(signer, tenant, heads[tenant], split(joined)) for tenant, joined in fresh.items()]


def grow(signer: LedgerSigner, tenant: str, frontier: Frontier, commitments: Iterable[bytes]) -> Grown:
    growth = tree.grow(frontier, map(leaf, commitments))
    after = growth.frontier
    return Grown(
        tenant=tenant,
        before=frontier.size,
        frontier=after,
        additions=tiles.additions(growth.runs),
        note=signer.sign(tenant, size=after.size, root=tree.root(after)),
    )


def frontier_of(size: int, hashes: bytes) -> Frontier:
    """The frontier as `heads` keeps it."""
    return Frontier(size=size, hashes=tuple(split(hashes)))


def head(tenant: str, frontier: Frontier) -> Head:
    return Head(tenant=tenant, size=frontier.size, root=b64encode(tree.root(frontier)).decode())


def split(joined: bytes) -> list[bytes]:
    return [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]


def tile_columns(trees: Sequence[Grown]) -> dict[str, list[Any]]:
    """What `add_hashes.sql` takes."""
    added = [(each.tenant, addition) for each in trees for addition in each.additions]
    return {
        "tenants": [tenant for tenant, _ in added],
        "levels": [addition.level for _, addition in added],
        "indexes": [addition.index for _, addition in added],
        "hashes": [addition.hashes for _, addition in added],
    }


def head_columns(trees: Sequence[Grown]) -> dict[str, list[Any]]:
    """What `move_heads.sql` and `add_checkpoints.sql` take."""
    return {
        "tenants": [each.tenant for each in trees],
        "befores": [each.before for each in trees],
        "sizes": [each.frontier.size for each in trees],
        "frontiers": [b"".join(each.frontier.hashes) for each in trees],
        "notes": [each.note for each in trees],
    }
