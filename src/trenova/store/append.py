"""The transaction that adds a batch to the tenants' logs: rows, trees and checkpoints, all of them or nothing."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg.types.string import BytesBinaryDumper

from trenova.domain.batch import BatchResult
from trenova.ledger.hashing import HASH_BYTES
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.ledger.tree import Frontier
from trenova.store import trees, write_checks
from trenova.store.batches import summed
from trenova.store.rows import COLUMN_TYPES, Incoming
from trenova.store.sql import sql
from trenova.store.trees import Grown

INCOMING, COPY_INCOMING = sql("incoming"), sql("copy_incoming")
NEW_HEADS, LOCK_HEADS, APPEND = sql("new_heads"), sql("lock_heads"), sql("append")
UNSTORED = sql("unstored")
ADD_HASHES, MOVE_HEADS, ADD_CHECKPOINTS = sql("add_hashes"), sql("move_heads"), sql("add_checkpoints")
NOTE_BATCH, BATCH_COUNTS = sql("note_batch"), sql("batch_counts")

# What hashes more than this does it in a thread, so that other batches are not kept waiting.
OFF_LOOP_LEAVES = 512

Cursor = psycopg.AsyncCursor[Any]
Result = TypeVar("Result")


async def append(
    cursor: Cursor, signer: LedgerSigner, batch_id: str, batch: Incoming, run_id: str | None = None
) -> BatchResult:
    """Add what is not there yet.

    Raises LedgerDamaged where a stored tree is not as long as its log, and where the database gives back anything but
    what it was given.

    Dying anywhere before the commit leaves nothing: the transaction is rolled back, and whoever wants the batch stored
    starts from the beginning. Dying after it leaves everything: the next attempt finds each entry there.
    """
    heads, fresh = await insert(cursor, batch)
    grown = await extend(signer, heads, fresh)
    counts = await keep(cursor, {"batch_id": batch_id, "run_id": run_id}, batch, heads, grown)
    return summed(batch_id, counts, {**heads, **{each.tenant: each.frontier for each in grown}})


async def insert(cursor: Cursor, batch: Incoming) -> tuple[dict[str, Frontier], dict[str, bytes]]:
    """Lock the heads and insert what is new; gives the locked trees, and for each that grows its new commitments.

    Raises LedgerDamaged as `append`.
    """
    await cursor.execute(INCOMING)
    # The one in C: for a bytea psycopg would else take that of the DB-API's `Binary`, which is written in Python.
    cursor.adapters.register_dumper(bytes, BytesBinaryDumper)
    async with cursor.copy(COPY_INCOMING) as copy:
        copy.set_types(COLUMN_TYPES)
        for each in batch.rows:
            await copy.write_row(each)
    write_checks.check_copied(batch, cursor.rowcount)
    connection, tenants = cursor.connection, {"tenants": batch.tenants}
    # Sent together, run one after the other: each statement has a snapshot of its own, so that the last sees what the
    # former holder of the locks committed.
    async with connection.pipeline():
        await connection.execute(NEW_HEADS, tenants)
        locked = await connection.execute(LOCK_HEADS, tenants, binary=True)
        # Not prepared: it has no parameters, so a plan made for an empty log would be kept while the log grows.
        inserted = await connection.execute(APPEND, binary=True, prepare=False)
        heads = {tenant: trees.frontier_of(size, hashes) for tenant, size, hashes in await locked.fetchall()}
        write_checks.check_locked(batch.tenants, heads)
        return heads, write_checks.fresh_commitments(batch, heads, await inserted.fetchall())


async def extend(signer: LedgerSigner, heads: Mapping[str, Frontier], fresh: Mapping[str, bytes]) -> list[Grown]:
    """The trees that grow, grown and signed. A batch of nothing but duplicates signs nothing."""
    leaves = sum(map(len, fresh.values())) // HASH_BYTES
    return await off_loop(leaves > OFF_LOOP_LEAVES, lambda: trees.grown(signer, heads, fresh))


async def keep(
    cursor: Cursor,
    ids: Mapping[str, str | None],
    batch: Incoming,
    heads: Mapping[str, Frontier],
    grown: Sequence[Grown],
) -> list[Sequence[Any]]:
    """Write the grown trees and note the batch under its ids; gives the rows of `batch_counts.sql`."""
    connection, columns, received = cursor.connection, trees.head_columns(grown), batch.received
    stored = {each.tenant: each.frontier.size - heads[each.tenant].size for each in grown}
    note = {
        **ids,
        "tenants": batch.tenants,
        "first_indexes": [heads[tenant].size for tenant in batch.tenants],
        "stored": [stored.get(tenant, 0) for tenant in batch.tenants],
        "received": [received[tenant] for tenant in batch.tenants],
    }
    async with connection.pipeline():
        tiles = await connection.execute(ADD_HASHES, trees.tile_columns(grown), binary=True)
        moved = await connection.execute(MOVE_HEADS, columns, binary=True)
        signed = await connection.execute(ADD_CHECKPOINTS, columns, binary=True)
        noted = await connection.execute(NOTE_BATCH, note)
        # Rows that did not come back from the insert are duplicates, or something has dropped them.
        all_new = sum(stored.values()) == len(batch.rows)
        unstored = None if all_new else await connection.execute(UNSTORED, prepare=False)
        counts = await connection.execute(BATCH_COUNTS, {"batch_id": ids["batch_id"]})
        # A difference rolls everything back: nothing is stored in these logs until the database is mended, and the
        # workflow waits, as for a database that is away.
        write_checks.check_unstored(await unstored.fetchone() if unstored else None)
        write_checks.check_tiles(grown, await tiles.fetchall())
        write_checks.check_moved(grown, await moved.fetchall())
        write_checks.check_signed(grown, await signed.fetchall())
        write_checks.check_noted(note, await noted.fetchall())
        return await counts.fetchall()


async def off_loop(large: bool, work: Callable[[], Result]) -> Result:  # noqa: FBT001
    return await asyncio.to_thread(work) if large else work()
