"""The transaction that adds a batch to the ledgers: rows, trees and checkpoints, all of them or nothing.

A crash anywhere before the commit leaves nothing: PostgreSQL rolls the transaction back, and the next attempt starts
from the beginning. A crash after it leaves everything: the next attempt finds each entry stored.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg.types.string import BytesBinaryDumper

from trenova.domain.batch import BatchResult
from trenova.errors import InvalidConfiguration
from trenova.ledger.hashing import HASH_BYTES
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.ledger.tree import Frontier
from trenova.store.appending import checks, trees
from trenova.store.appending.checks import InsertedRows, LedgerPart
from trenova.store.appending.rows import COLUMN_TYPES, IncomingBatch
from trenova.store.appending.trees import GrownTree
from trenova.store.batches import BATCH_COUNTS, StoredBatch
from trenova.store.sql import sql
from trenova.threads import run_off_loop

INCOMING, COPY_INCOMING = sql("incoming"), sql("copy_incoming")
NEW_HEADS, LOCK_HEADS, APPEND = sql("new_heads"), sql("lock_heads"), sql("append")
ADD_HASHES, MOVE_HEADS, ADD_CHECKPOINTS = sql("add_hashes"), sql("move_heads"), sql("add_checkpoints")
NOTE_BATCH, UNSTORED = sql("note_batch"), sql("first_unstored")

# More leaves than this are hashed in a thread, so that other batches do not wait for them.
OFF_LOOP_LEAVES = 512

Cursor = psycopg.AsyncCursor[Any]
Connection = psycopg.AsyncConnection[Any]


class SentTrees(NamedTuple):
    """Statements of a pipeline that write grown trees. Their rows are fetched once all statements are sent."""

    tiles: Cursor
    heads: Cursor
    checkpoints: Cursor


async def append(
    cursor: Cursor, signer: LedgerSigner | None, batch_id: str, batch: IncomingBatch, run_id: str | None = None
) -> BatchResult:
    """Add the entries of the batch that are not stored yet, in the open transaction of `cursor`.

    `run_id` is the run of the workflow that carried them.
    Raises LedgerDamaged where a stored tree is not as long as its ledger, and where the database returns anything but
    what was sent to it; InvalidConfiguration without a signer.
    """
    signer = require_signer(signer)
    heads, new_commitments = await insert(cursor, batch)
    grown = await extend_trees(signer, heads, new_commitments)
    counts = await write(cursor.connection, batch_id, run_id, batch, heads, grown)
    heads_after = {**heads, **{tree.tenant: tree.frontier for tree in grown}}
    return BatchResult(
        batch_id=batch_id,
        stored=sum(part.stored for part in counts),
        duplicate=sum(part.duplicate for part in counts),
        heads=[trees.head_of(tenant, frontier) for tenant, frontier in heads_after.items()],
    )


def require_signer(signer: LedgerSigner | None) -> LedgerSigner:
    if signer is None:
        raise InvalidConfiguration(["this program has no signing key, so it can append nothing"])
    return signer


async def insert(cursor: Cursor, batch: IncomingBatch) -> tuple[dict[str, Frontier], dict[str, bytes]]:
    """Insert the new rows. Returns the locked trees, and for each that grows its new commitments, joined.

    These are also the steps that can meet a row which the database rejects: `rejected_rows` attempts them alone.
    """
    await copy_rows(cursor, batch)
    connection = cursor.connection
    # Sent together and run one after the other: each statement has its own snapshot, so that the last one sees what
    # the previous holder of the locks committed.
    async with connection.pipeline():
        locked = await lock_heads(connection, batch.tenants)
        inserted = await insert_new_rows(connection)
        heads = {tenant: trees.frontier_of(size, hashes) for tenant, size, hashes in await locked.fetchall()}
        checks.check_locked(batch.tenants, heads)
        new_rows = map(InsertedRows._make, await inserted.fetchall())
        return heads, checks.new_commitments(batch, heads, new_rows)


async def copy_rows(cursor: Cursor, batch: IncomingBatch) -> None:
    """Copy the rows into a temporary table. A crash leaves nothing there: the table is the session's own."""
    await cursor.execute(INCOMING)
    # The dumper in C: for a bytea psycopg would otherwise take that of the DB-API's `Binary`, written in Python.
    cursor.adapters.register_dumper(bytes, BytesBinaryDumper)
    async with cursor.copy(COPY_INCOMING) as copy:
        copy.set_types(COLUMN_TYPES)
        for row in batch.rows:
            await copy.write_row(row)
    checks.check_copied(batch, cursor.rowcount)


async def lock_heads(connection: Connection, tenants: Sequence[str]) -> Cursor:
    """Lock the head of each tenant in sorted order, before any insert, so that no two batches deadlock.

    A crash releases the locks with the session; the heads of new tenants go with the transaction.
    """
    await connection.execute(NEW_HEADS, {"tenants": tenants})
    return await connection.execute(LOCK_HEADS, {"tenants": tenants}, binary=True)


async def insert_new_rows(connection: Connection) -> Cursor:
    """Insert the copied rows whose ids are not stored, with the next indexes of their ledgers."""
    # Not prepared: it has no parameters, so a plan made for an empty ledger would be kept while the ledger grows.
    return await connection.execute(APPEND, binary=True, prepare=False)


async def extend_trees(
    signer: LedgerSigner, heads: Mapping[str, Frontier], new_commitments: Mapping[str, bytes]
) -> list[GrownTree]:
    """The trees that grow, extended and signed. A batch of duplicates only signs nothing.

    A crash loses a checkpoint that nobody has seen.
    """
    leaves = sum(map(len, new_commitments.values())) // HASH_BYTES
    return await run_off_loop(lambda: trees.grow_trees(signer, heads, new_commitments), large=leaves > OFF_LOOP_LEAVES)


async def write(  # noqa: PLR0913, PLR0917 - everything that the transaction has produced
    connection: Connection,
    batch_id: str,
    run_id: str | None,
    batch: IncomingBatch,
    heads: Mapping[str, Frontier],
    grown: Sequence[GrownTree],
) -> list[StoredBatch]:
    """Write the grown trees and note the batch, in one round trip. Returns what all attempts together have stored."""
    parts = parts_of(batch, heads, grown)
    async with connection.pipeline():
        sent = await send_trees(connection, grown)
        noted = await note_batch(connection, batch_id, run_id, parts)
        # Rows that the insert did not return are duplicates, or something has dropped them.
        all_new = sum(part.stored for part in parts) == len(batch.rows)
        unstored = None if all_new else await connection.execute(UNSTORED, prepare=False)
        counts = await connection.execute(BATCH_COUNTS, {"batch_id": batch_id})
        # A difference rolls everything back: nothing is stored in these ledgers until the database is fixed, and the
        # workflow waits, as it does for a database that is unreachable.
        checks.check_unstored(await unstored.fetchone() if unstored else None)
        checks.check_tiles(grown, await sent.tiles.fetchall())
        checks.check_moved(grown, await sent.heads.fetchall())
        checks.check_signed(grown, await sent.checkpoints.fetchall())
        checks.check_noted(parts, await noted.fetchall())
        return [StoredBatch._make(row) for row in await counts.fetchall()]


async def send_trees(connection: Connection, grown: Sequence[GrownTree]) -> SentTrees:
    columns = trees.head_columns(grown)
    return SentTrees(
        tiles=await connection.execute(ADD_HASHES, trees.tile_columns(grown), binary=True),
        heads=await connection.execute(MOVE_HEADS, columns, binary=True),
        checkpoints=await connection.execute(ADD_CHECKPOINTS, columns, binary=True),
    )


async def note_batch(connection: Connection, batch_id: str, run_id: str | None, parts: Sequence[LedgerPart]) -> Cursor:
    """Note what the batch added to each ledger, and that this run of the workflow has stored it.

    A crash before the commit leaves no note, and so the next attempt stores the batch.
    """
    columns = {
        "batch_id": batch_id,
        "run_id": run_id,
        "tenants": [part.tenant for part in parts],
        "first_indexes": [part.first_index for part in parts],
        "stored": [part.stored for part in parts],
        "received": [part.received for part in parts],
    }
    return await connection.execute(NOTE_BATCH, columns)


def parts_of(batch: IncomingBatch, heads: Mapping[str, Frontier], grown: Sequence[GrownTree]) -> list[LedgerPart]:
    """What the batch adds to each ledger, in the order of the batch's tenants."""
    stored = {tree.tenant: tree.frontier.size - tree.before for tree in grown}
    return [
        LedgerPart(
            tenant=tenant,
            first_index=heads[tenant].size,
            stored=stored.get(tenant, 0),
            received=batch.entry_counts[tenant],
        )
        for tenant in batch.tenants
    ]
