"""Finding entries: pages from the newest back, and the feed of everything in the order in which it was stored."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from sqlalchemy import ColumnElement, Select, and_, cast, column, func, literal, select, table, tuple_
from sqlalchemy.types import UserDefinedType

from trenova.domain.entry import Time
from trenova.store.pool import Pool

# Tenants whose names begin so belong to the system; a search over all tenants leaves them out.
SYSTEM_TENANT_PREFIX = "_"

entries = table(
    "entries",
    *(
        column(name)
        for name in ("tenant", "id", "index", "occurred_at", "actor_id", "action", "target_id", "outcome", "body")
    ),
)
batches = table("batches", *(column(name) for name in ("xid", "tenant", "first_index", "stored")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What to look for; None does not restrict."""

    tenant: str | None = None
    actor: str | None = None
    """The actor's id."""
    action: str | None = None
    """The action, or its beginning followed by `*`: `shipment.*`."""
    target: str | None = None
    """The target's id."""
    outcome: str | None = None
    occurred_from: datetime | None = None
    occurred_to: datetime | None = None
    """Up to, but not including this moment."""
    text: str | None = None
    """Occurs anywhere in the entry, in whatever case."""


# Positions come back from clients: they hold nothing that PostgreSQL cannot take.
Text = Annotated[str, Meta(pattern=r"^[^\0]*\Z")]
XID = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Index = Annotated[int, Meta(ge=-1, le=2**63 - 1)]


class PagePosition(msgspec.Struct, frozen=True, array_like=True, tag="page"):
    """The last entry of a page; the next page begins right after it, whatever has been stored since."""

    occurred_at: Time
    tenant: Text
    id: uuid.UUID


class FeedPosition(msgspec.Struct, frozen=True, array_like=True, tag="feed"):
    """The last entry read from the feed: its transaction, its tenant, its index."""

    xid: XID
    tenant: Text
    index: Index


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    bodies: Sequence[bytes]
    next: PagePosition | FeedPosition | None


START_OF_FEED = FeedPosition(0, "", -1)
LAST_TENANT = "~"  # sorts after every tenant's name


class Xid8(UserDefinedType[str]):
    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "xid8"


@dataclass(frozen=True, slots=True)
class Search:
    pool: Pool

    async def page(self, filters: Filters, *, after: PagePosition | None, limit: int) -> Page:
        """One page, newest `occurred_at` first. `next` is None on the last page."""
        place = [entries.c.occurred_at, entries.c.tenant, entries.c.id]
        query = select(entries.c.body, *place).where(*conditions(filters))
        if after is not None:
            query = query.where(tuple_(*place) < tuple_(after.occurred_at, after.tenant, after.id))
        query = query.order_by(*(each.desc() for each in place)).limit(limit + 1)
        rows = await self.rows(query)
        more = len(rows) > limit
        return Page(
            bodies=[bytes(row.body) for row in rows[:limit]],
            next=PagePosition(rows[limit - 1].occurred_at, rows[limit - 1].tenant, rows[limit - 1].id)
            if more
            else None,
        )

    async def feed(self, filters: Filters, *, after: FeedPosition, limit: int) -> Page:
        """What was stored after a position, oldest first. `next` is always a position to go on from.

        Only transactions below every running one are shown, so nothing can appear later before a position that was
        given out: following the feed misses nothing and repeats nothing.
        """
        query = (
            select(entries.c.body, batches.c.xid, entries.c.tenant, entries.c.index)
            .select_from(batches.join(entries, stored_with_batch()))
            .where(
                batches.c.xid < func.pg_snapshot_xmin(func.pg_current_snapshot()),
                # The first condition says less than the second, but the index understands it.
                batches.c.xid >= xid8(after.xid),
                tuple_(batches.c.xid, entries.c.tenant, entries.c.index)
                > tuple_(xid8(after.xid), after.tenant, after.index),
                *conditions(filters),
            )
            .order_by(batches.c.xid, entries.c.tenant, entries.c.index)
            .limit(limit)
        )
        rows = await self.rows(query)
        last = rows[-1] if rows else None
        return Page(
            bodies=[bytes(row.body) for row in rows],
            next=FeedPosition(int(last.xid), last.tenant, last.index) if last else after,
        )

    async def now(self) -> FeedPosition:
        """The position at which the feed goes on with whatever is not settled yet."""
        async with self.pool.transaction() as connection:
            xid = (await connection.execute(select(func.pg_snapshot_xmin(func.pg_current_snapshot())))).scalar_one()
        return FeedPosition(int(xid) - 1, LAST_TENANT, 0)

    async def rows(self, query: Select[Any]) -> Sequence[Any]:
        async with self.pool.transaction() as connection:
            rows: Sequence[Any] = (await connection.execute(query)).all()
            return rows


def conditions(filters: Filters) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    if filters.tenant is not None:
        wanted.append(entries.c.tenant == filters.tenant)
    else:
        wanted.append(func.left(entries.c.tenant, 1) != SYSTEM_TENANT_PREFIX)
    if filters.actor is not None:
        wanted.append(entries.c.actor_id == filters.actor)
    if filters.action is not None:
        wanted.append(action_is(filters.action))
    if filters.target is not None:
        wanted.append(entries.c.target_id == filters.target)
    if filters.outcome is not None:
        wanted.append(entries.c.outcome == filters.outcome)
    if filters.occurred_from is not None:
        wanted.append(entries.c.occurred_at >= filters.occurred_from)
    if filters.occurred_to is not None:
        wanted.append(entries.c.occurred_at < filters.occurred_to)
    if filters.text is not None:
        # As it stands in the canonical JSON: escaped, without the quotation marks around it.
        escaped = msgspec.json.encode(filters.text)[1:-1].decode()
        wanted.append(func.convert_from(entries.c.body, "UTF8").icontains(escaped, autoescape=True))
    return wanted


def action_is(action: str) -> ColumnElement[bool]:
    if action.endswith("*"):
        return entries.c.action.startswith(action[:-1], autoescape=True)
    return entries.c.action == action


def stored_with_batch() -> ColumnElement[bool]:
    return and_(
        entries.c.tenant == batches.c.tenant,
        entries.c.index >= batches.c.first_index,
        entries.c.index < batches.c.first_index + batches.c.stored,
    )


def xid8(number: int) -> ColumnElement[Any]:
    """PostgreSQL has no cast from a number to a transaction id, only from its text."""
    return cast(literal(str(number)), Xid8())
