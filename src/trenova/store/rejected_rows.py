"""Finding the entries of a batch that the database refuses for their own sake, and only those."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import psycopg

from trenova.errors import RowRejected
from trenova.store.append import insert
from trenova.store.rows import ID, TENANT, Incoming, RejectedRow, Row
from trenova.store.sqlstates import meaning

BODY = -1


async def sift(cursor: psycopg.AsyncCursor[Any], batch: Incoming) -> tuple[Incoming, list[RejectedRow]]:
    """The batch without what is refused, and what is. Leaves nothing in the database; holds no lock when it returns."""
    good: list[Row] = []
    refused = list(batch.unreadable)
    candidates, repeats = list(batch.rows), list(batch.repeats)
    while candidates:
        faults = await refusals(cursor, batch, candidates)
        good += [row for row in candidates if row[0] not in faults]
        bad = [row for row in candidates if row[0] in faults]
        refused += [refused_row(row, faults[row[0]]) for row in bad]
        # Where the first entry with an id is refused, the next with that id is no duplicate: it has its own chance.
        candidates = [first_with(repeats, row) for row in bad if first_with(repeats, row)]
        repeats = [row for row in repeats if row not in candidates]
    return replace(batch, rows=sorted(good), repeats=repeats, unreadable=()), refused


async def refusals(cursor: psycopg.AsyncCursor[Any], batch: Incoming, rows: Sequence[Row]) -> Mapping[int, RowRejected]:
    """Why each bad row is refused, by its ordinal. Bisects: one bad row among n takes 2·log2(n) tries."""
    refusal = await tried(cursor, replace(batch, rows=rows, repeats=()))
    if refusal is None:
        return {}
    if len(rows) == 1:
        return {rows[0][0]: refusal}
    middle = len(rows) // 2
    return {
        **await refusals(cursor, batch, rows[:middle]),
        **await refusals(cursor, batch, rows[middle:]),
    }


async def tried(cursor: psycopg.AsyncCursor[Any], batch: Incoming) -> RowRejected | None:
    """Whether the database refuses one of these rows; they are taken back either way.

    Only what is the row's fault is told: that the database goes away in the middle is no verdict on a row.
    """
    try:
        async with cursor.connection.transaction(force_rollback=True):
            await insert(cursor, batch)
    except psycopg.Error as error:
        found = meaning(error)
        if isinstance(found, RowRejected):
            return found
        raise
    return None


def first_with(rows: Sequence[Row], same: Row) -> Row:
    """The first of the rows with the tenant and id of `same`; an empty row if there is none."""
    return next((row for row in rows if (row[TENANT], row[ID]) == (same[TENANT], same[ID])), ())


def refused_row(row: Row, refusal: RowRejected) -> RejectedRow:
    return RejectedRow(
        ordinal=row[0], tenant=row[TENANT], id=row[ID], body=row[BODY], code=refusal.code, reason=refusal.reason
    )
