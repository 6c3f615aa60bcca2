"""The tables beside the ledgers: notes of batches, checkpoints, parked entries, policies, holds and positions.

Each question is one statement over all ledgers that are checked, in their snapshot. It returns at most a place or two
for each ledger, so the results are small however large the tables are.
"""

from typing import Any

import psycopg
from psycopg.rows import class_row

from trenova.domain.verification import DamagedPlace
from trenova.store.retention.holds import HOLDS, Hold
from trenova.store.retention.policies import POLICIES, Policy
from trenova.store.sql import sql
from trenova.store.verification import retention_entries
from trenova.store.verification.retention_entries import Doubt, Reports

Cursor = psycopg.AsyncCursor[Any]

RESTORE = "find out who changed the table; restore it from a backup beside the database, and compare"
QUESTIONS = {name: sql(f"side_tables/{name}") for name in ("batches", "checkpoints", "letters", "positions")}
RETENTION_ENTRIES, REMOVED_AT = sql("side_tables/retention_entries"), sql("side_tables/removed_at")
# Sorts after every name of a tenant, byte by byte.
AFTER_ALL = "\U0010ffff"


def span_of(*, tenant: str, after: str) -> dict[str, str]:
    """The first and the last name of a tenant that is checked: `tenant`, or all names after `after`."""
    # The least name after another one: tenants are printable.
    first = tenant or (f"{after}\x01" if after else "")
    return {"first": first, "last": tenant or AFTER_ALL}


async def check(cursor: Cursor, span: dict[str, str]) -> list[DamagedPlace]:
    """The damaged places beside the ledgers of this span."""
    places = []
    for question in QUESTIONS.values():
        await cursor.execute(question, span)
        places += [
            DamagedPlace(tenant=tenant, place=place, expected=expected, got=got, next_step=RESTORE)
            for tenant, place, expected, got in await cursor.fetchall()
        ]
    return [*places, *await check_retention(cursor, span)]


async def check_retention(cursor: Cursor, span: dict[str, str]) -> list[DamagedPlace]:
    """Policies and holds whose entries are in the ledgers of this span."""
    await cursor.execute(RETENTION_ENTRIES, span)
    reports = Reports.read(await cursor.fetchall())
    async with cursor.connection.cursor(row_factory=class_row(Policy)) as policy_cursor:
        await policy_cursor.execute(POLICIES)
        policies = {policy.tenant: policy for policy in await policy_cursor.fetchall()}
    async with cursor.connection.cursor(row_factory=class_row(Hold)) as hold_cursor:
        await hold_cursor.execute(HOLDS)
        holds = {str(hold.id): hold for hold in await hold_cursor.fetchall()}
    doubts = [
        *retention_entries.doubt_policies(policies, reports),
        *retention_entries.doubt_holds(holds, reports),
    ]
    return [
        one.place for one in doubts if is_inside(one.place.tenant, span) and not await is_entry_removed(cursor, one)
    ]


def is_inside(tenant: str, span: dict[str, str]) -> bool:
    return span["first"].encode() <= tenant.encode() <= span["last"].encode()


async def is_entry_removed(cursor: Cursor, doubt: Doubt) -> bool:
    """Whether the entry may have existed, and has been removed since with the others of its age."""
    if doubt.moment is None:
        return False
    await cursor.execute(REMOVED_AT, {"tenant": doubt.place.tenant, "moment": doubt.moment})
    return await cursor.fetchone() == (True,)
