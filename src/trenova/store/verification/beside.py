"""The tables beside the logs: notes of batches, kept checkpoints, parked entries, policies, holds and positions.

Each question is one statement over all logs that are checked, in the snapshot in which these are. What it finds is at
most a place or two for each log, so the findings are small however large the tables are.
"""

from typing import Any

import psycopg

from trenova.domain.verification import DamagedPlace
from trenova.store.retention.holds import HOLDS, Hold
from trenova.store.retention.policies import POLICIES, Policy
from trenova.store.sql import sql
from trenova.store.verification import retention_records
from trenova.store.verification.retention_records import Doubt, Events

Cursor = psycopg.AsyncCursor[Any]

RESTORE = "find out who changed the table; restore it from a backup beside the database, and compare"
QUESTIONS = {name: sql(f"beside/{name}") for name in ("batches", "checkpoints", "letters", "positions")}
TOLD, REMOVED_AT = sql("beside/told"), sql("beside/removed_at")
# Behind every name of a tenant, byte by byte.
BEHIND_ALL = "\U0010ffff"


def span_of(*, tenant: str, after: str) -> dict[str, str]:
    """The first and the last name of a tenant that is checked: `tenant`, or all behind `after`."""
    # The least name behind another one: tenants are printable.
    first = tenant or (f"{after}\x01" if after else "")
    return {"first": first, "last": tenant or BEHIND_ALL}


async def places(cursor: Cursor, span: dict[str, str]) -> list[DamagedPlace]:
    """What is wrong beside the logs of this span."""
    found = [
        DamagedPlace(tenant=name, place=place, expected=expected, got=got, next_step=RESTORE)
        for question in QUESTIONS.values()
        for name, place, expected, got in await answers(cursor, question, span)
    ]
    return [*found, *await retention(cursor, span)]


async def answers(cursor: Cursor, question: str, span: dict[str, str]) -> list[tuple[str, str, str, str]]:
    await cursor.execute(question, span)
    return await cursor.fetchall()


async def retention(cursor: Cursor, span: dict[str, str]) -> list[DamagedPlace]:
    """Policies and holds whose entries lie in the logs of this span."""
    await cursor.execute(TOLD, span)
    events = Events.by(await cursor.fetchall())
    await cursor.execute(POLICIES)
    policies = {
        tenant: Policy(tenant=tenant, days=days, set_by=set_by, set_at=set_at)
        for tenant, days, set_by, set_at in await cursor.fetchall()
    }
    await cursor.execute(HOLDS)
    names = [column.name for column in cursor.description or ()]
    holds = [Hold(**dict(zip(names, row, strict=True))) for row in await cursor.fetchall()]
    doubts = [
        *retention_records.of_policies(policies, events),
        *retention_records.of_holds({str(hold.id): hold for hold in holds}, events),
    ]
    return [one.place for one in doubts if inside(one.place.tenant, span) and not await gone(cursor, one)]


def inside(tenant: str, span: dict[str, str]) -> bool:
    return span["first"].encode() <= tenant.encode() <= span["last"].encode()


async def gone(cursor: Cursor, doubt: Doubt) -> bool:
    """Whether the entry may have told of it once, and has been removed since with the others of its age."""
    if doubt.moment is None:
        return False
    await cursor.execute(REMOVED_AT, {"tenant": doubt.place.tenant, "moment": doubt.moment})
    return await cursor.fetchone() == (True,)
