"""Checks a stored ledger from its bytes alone, without the code that stored it."""

from typing import Any, LiteralString

import psycopg

from examples import SIGNER
from trenova.ledger import hashing, signing, tree, verify
from trenova.ledger.ledger_signer import LedgerSigner

Owner = psycopg.AsyncConnection[tuple[Any, ...]]
# What a removal does to a row; the condition is appended.
REMOVE: LiteralString = (
    "UPDATE entries SET occurred_at = NULL, actor_type = NULL, actor_id = NULL, action = NULL, target_type = NULL,"
    " target_id = NULL, outcome = NULL, salt = NULL, body = NULL WHERE tenant = %s AND "
)


async def rows(owner: Owner, query: LiteralString, tenant: str) -> list[tuple[Any, ...]]:
    return await (await owner.execute(query, [tenant], binary=True)).fetchall()


async def check_ledger(owner: Owner, tenant: str, *, signer: LedgerSigner = SIGNER) -> list[int]:
    """Check every commitment, tile, root and signature; return the sizes at which the ledger was signed."""
    entries = await rows(
        owner, "SELECT index, salt, commitment, body FROM entries WHERE tenant = %s ORDER BY index", tenant
    )
    assert [index for index, *_ in entries] == list(range(len(entries)))
    for _, salt, commitment, body in entries:
        verify.entry(salt=salt, body=body, commitment=commitment)
    assert len({salt for _, salt, _, _ in entries}) == len(entries)
    leaves = [hashing.leaf(commitment) for _, _, commitment, _ in entries]
    await check_tiles(owner, tenant, leaves)
    ((size, frontier),) = await rows(owner, "SELECT size, frontier FROM heads WHERE tenant = %s", tenant)
    assert size == len(leaves)
    assert frontier == b"".join(tree.extend(tree.Frontier(), leaves).hashes)
    checkpoints = await rows(owner, "SELECT size, note FROM checkpoints WHERE tenant = %s ORDER BY size", tenant)
    for size, note in checkpoints:
        head = verify.signed_checkpoint(
            note, keys=signer.keys(tenant), check=signing.check, origin=f"{signer.prefix}/{tenant}"
        )
        assert (head.size, head.root) == (size, tree.root_of(leaves[:size]))
    return [size for size, _ in checkpoints]


async def check_tiles(owner: Owner, tenant: str, leaves: list[bytes]) -> None:
    """Check that each row of tiles contains exactly the roots of its complete subtrees."""
    stored: dict[int, bytes] = {}
    for level, index, hashes in await rows(
        owner, "SELECT level, index, hashes FROM tiles WHERE tenant = %s ORDER BY level, index", tenant
    ):
        assert len(stored.get(level, b"")) == index * 256 * 32
        stored[level] = stored.get(level, b"") + hashes
    expected = {}
    level = 0
    while whole := len(leaves) // 256**level:
        span = 256**level
        expected[level] = b"".join(tree.root_of(leaves[at * span : (at + 1) * span]) for at in range(whole))
        level += 1
    assert stored == expected


async def past_triggers(owner: Owner, statement: LiteralString, tenant: str) -> None:
    """Run a statement without triggers, as only a superuser can."""
    async with owner.transaction():
        await owner.execute("SET LOCAL session_replication_role = replica")
        await owner.execute(statement, [tenant])
