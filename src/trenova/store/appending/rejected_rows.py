"""Which entries of a batch the database rejects, and only those."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import psycopg

from trenova.errors import RowRejected
from trenova.store.appending.append import insert
from trenova.store.appending.rows import IncomingBatch, RejectedRow, Row
from trenova.store.sqlstates import meaning

Cursor = psycopg.AsyncCursor[Any]


async def separate_rejected(cursor: Cursor, batch: IncomingBatch) -> tuple[IncomingBatch, list[RejectedRow]]:
    """The batch without the rows that the database rejects, and those rows.

    Leaves nothing in the database, and holds no lock when it returns.
    """
    good: list[Row] = []
    rejected = list(batch.unreadable)
    candidates, repeats = list(batch.rows), list(batch.repeats)
    while candidates:
        errors = await find_rejected(cursor, batch, candidates)
        good += [row for row in candidates if row.ordinal not in errors]
        bad = [row for row in candidates if row.ordinal in errors]
        rejected += [rejected_row(row, errors[row.ordinal]) for row in bad]
        # Where the first entry with an id is rejected, the next with that id is not a duplicate: try that one.
        candidates = [following for row in bad if (following := first_with_id_of(row, repeats))]
        repeats = [row for row in repeats if row not in candidates]
    return replace(batch, rows=sorted(good), repeats=repeats, unreadable=()), rejected


async def find_rejected(cursor: Cursor, batch: IncomingBatch, rows: Sequence[Row]) -> Mapping[int, RowRejected]:
    """Why each bad row is rejected, by its ordinal. Bisects: one bad row among n takes 2·log2(n) attempts."""
    error = await attempt_insert(cursor, replace(batch, rows=rows, repeats=()))
    if error is None:
        return {}
    if len(rows) == 1:
        return {rows[0].ordinal: error}
    middle = len(rows) // 2
    return {
        **await find_rejected(cursor, batch, rows[:middle]),
        **await find_rejected(cursor, batch, rows[middle:]),
    }


async def attempt_insert(cursor: Cursor, batch: IncomingBatch) -> RowRejected | None:
    """Insert the rows and roll them back. Returns why the database rejects one of them.

    Raises any other error: a database that becomes unreachable says nothing about a row.
    """
    try:
        async with cursor.connection.transaction(force_rollback=True):
            await insert(cursor, batch)
    except psycopg.Error as error:
        translated = meaning(error)
        if isinstance(translated, RowRejected):
            return translated
        raise
    return None


def first_with_id_of(row: Row, rows: Sequence[Row]) -> Row | None:
    return next((other for other in rows if (other.tenant, other.id) == (row.tenant, row.id)), None)


def rejected_row(row: Row, error: RowRejected) -> RejectedRow:
    return RejectedRow(
        ordinal=row.ordinal, tenant=row.tenant, id=row.id, body=row.body, code=error.code, reason=error.reason
    )
