"""Finding entries: pages from the newest back, and the feed of all entries in the order in which they were stored."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Label,
    Select,
    String,
    and_,
    cast,
    column,
    func,
    literal,
    select,
    table,
    true,
    tuple_,
)
from sqlalchemy.types import UserDefinedType

from trenova.domain.entry import Time
from trenova.domain.reserved import TENANT_PREFIX
from trenova.errors import SearchTooWide, StatementTimeout
from trenova.store.pages import MAX_PAGE_BYTES, is_full
from trenova.store.pool import Pool

# A caller waits for the answer, and a search that walks far holds one of few connections.
SEARCH_LIMIT_MS = 20_000
# Tenants of the system; a search over all tenants leaves them out.
SYSTEM_TENANT_PREFIX = TENANT_PREFIX

entries = table(
    "entries",
    *(
        column(name)
        for name in ("tenant", "id", "index", "occurred_at", "actor_id", "action", "target_id", "outcome", "body")
    ),
)
heads = table("heads", column("tenant"))
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
    """Up to, but not including, this moment."""
    text: str | None = None
    """A text that occurs anywhere in the entry, regardless of case."""


# Clients send positions back: they must hold nothing that PostgreSQL cannot take.
Text = Annotated[str, Meta(pattern=r"^[^\0]*\Z")]
XID = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Index = Annotated[int, Meta(ge=-1, le=2**63 - 1)]


class PagePosition(msgspec.Struct, frozen=True, array_like=True, tag="page"):
    """The last entry of a page. The next page begins right after it, whatever has been stored since."""

    occurred_at: Time
    tenant: Text
    id: uuid.UUID


class FeedPosition(msgspec.Struct, frozen=True, order=True, array_like=True, tag="feed"):
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
        """One page, newest `occurred_at` first. `next` is None on the last page.

        Raises SearchTooWide when the page is not found within SEARCH_LIMIT_MS.
        """
        query = page_query(filters, after=after, limit=limit + 1)
        rows = await self.fetch(limit_bytes(query, newest_first))
        bodies = [row.body for row in rows[:limit]]
        last = rows[len(bodies) - 1] if len(rows) > limit or is_full(bodies) else None
        return Page(bodies=bodies, next=last and PagePosition(last.occurred_at, last.tenant, last.id))

    async def feed(self, filters: Filters, *, after: FeedPosition, limit: int) -> Page:
        """What was stored after a position, oldest first. `next` is always a position to continue from.

        Shows only transactions below every running one, so nothing can appear later before a position that was
        returned: following the feed misses nothing and repeats nothing. Raises SearchTooWide like `page`.
        """
        end = await self.now()
        rows = await self.fetch(limit_bytes(feed_query(filters, after=after, end=end, limit=limit), as_stored))
        bodies = [row.body for row in rows]
        if len(rows) == limit or is_full(bodies):
            after = FeedPosition(int(rows[-1].xid), rows[-1].tenant, rows[-1].index)
        else:
            # Everything up to `end` has been searched: the next call need not search it again.
            after = max(after, end)
        return Page(bodies=bodies, next=after)

    async def now(self) -> FeedPosition:
        """The position from which the feed continues with the transactions that are still running."""
        async with self.pool.transaction() as connection:
            xid = (await connection.execute(select(func.pg_snapshot_xmin(func.pg_current_snapshot())))).scalar_one()
        return FeedPosition(int(xid) - 1, LAST_TENANT, 0)

    async def fetch(self, query: Select[Any]) -> Sequence[Any]:
        try:
            async with self.pool.transaction() as connection:
                await connection.execute(WALK_IN_ORDER)
                rows: Sequence[Any] = (await connection.execute(query)).all()
                return rows
        except StatementTimeout:
            raise SearchTooWide(
                f"the search was stopped after {SEARCH_LIMIT_MS // 1000} s: it scans too many entries",
                hint="narrow it by tenant, actor, target or action, or else by from and to",
            ) from None


# Every search walks along an index that has the order of its page, and stops when the page is full. Left to itself the
# planner guesses from samples: it reads and sorts a whole ledger for one page, because it takes a text for rare, or
# looks for a tenant among the newest entries of all, because it takes that tenant for busy. So it may not sort what an
# index has in order, and must plan for any values, which it can do from the shape of the search alone.
WALK_IN_ORDER = select(
    func.set_config("enable_sort", "off", True),
    func.set_config("plan_cache_mode", "force_generic_plan", True),
    func.set_config("statement_timeout", str(SEARCH_LIMIT_MS), True),
)


def limit_bytes(query: Select[Any], order: Callable[[Any], list[ColumnElement[Any]]]) -> Select[Any]:
    """The first rows of the query, up to the one with which they exceed MAX_PAGE_BYTES."""
    found = query.subquery("found")
    # The length of a body is known without reading it.
    before = func.sum(func.octet_length(found.c.body)).over(order_by=order(found.c), rows=(None, -1))
    measured = select(found, func.coalesce(before, 0).label("before")).subquery("measured")
    return select(measured).where(measured.c.before <= MAX_PAGE_BYTES).order_by(*order(measured.c))


def newest_first(columns: Any) -> list[ColumnElement[Any]]:
    return [columns.occurred_at.desc(), columns.tenant.desc(), columns.id.desc()]


def as_stored(columns: Any) -> list[ColumnElement[Any]]:
    return [columns.xid, columns.tenant, columns.index]


def page_query(filters: Filters, *, after: PagePosition | None, limit: int) -> Select[Any]:
    """The rows of a page. An index bounds each shape, whatever the values are, where an index can."""
    party = filters.actor is not None or filters.target is not None
    if filters.tenant is None and party:
        # No index holds an actor across tenants: the newest of each ledger, merged.
        logs = select(heads.c.tenant).where(belongs(heads.c.tenant, filters)).subquery("logs")
        return merge_branches(logs, entries.c.tenant == logs.c.tenant, filters, after, limit)
    if filters.tenant is not None and filters.action is not None and filters.action.endswith("*") and not party:
        # Each action of that beginning has its own stretch of the index: the newest of each, merged.
        actions = actions_beginning(filters.tenant, filters.action[:-1])
        exact = replace(filters, action=None)
        one = (entries.c.tenant == filters.tenant, entries.c.action == actions.c.action)
        return merge_branches(actions, and_(*one), exact, after, limit)
    return newest(filters, after, limit).where(belongs(entries.c.tenant, filters))


def newest(filters: Filters, after: PagePosition | None, limit: int) -> Select[Any]:
    # Within one tenant its name decides nothing, and the indexes that begin with it continue with these two.
    place = [entries.c.occurred_at, entries.c.tenant, entries.c.id]
    compared = place if filters.tenant is None else [entries.c.occurred_at, entries.c.id]
    query = select(entries.c.body, *place).where(*conditions(filters))
    if after is not None:
        position = {"occurred_at": after.occurred_at, "tenant": after.tenant, "id": after.id}
        query = query.where(tuple_(*compared) < tuple_(*(position[each.name] for each in compared)))
    return query.order_by(*(each.desc() for each in compared)).limit(limit)


def merge_branches(
    branches: FromClause, branch: ColumnElement[bool], filters: Filters, after: PagePosition | None, limit: int
) -> Select[Any]:
    """The newest of all branches, from at most `limit` rows of each."""
    each = newest(filters, after, limit).where(branch).lateral("each")
    place = [each.c.occurred_at, each.c.tenant, each.c.id]
    query = select(each.c.body, *place).select_from(branches.join(each, true()))
    return query.order_by(*(column.desc() for column in place)).limit(limit)


def actions_beginning(tenant: str, beginning: str) -> FromClause:
    """The tenant's distinct actions with this beginning: one index lookup for each, however many entries."""

    def least(condition: ColumnElement[bool]) -> Label[Any]:
        has_body = (entries.c.tenant == tenant, entries.c.body.is_not(None))
        action = select(func.min(entries.c.action)).where(*has_body, condition)
        return action.scalar_subquery().label("action")

    first = select(least(entries.c.action >= beginning)).cte("found", recursive=True)
    following = select(least(entries.c.action > first.c.action)).where(func.starts_with(first.c.action, beginning))
    found = first.union_all(following)
    return select(found.c.action).where(func.starts_with(found.c.action, beginning)).subquery("actions")


def feed_query(filters: Filters, *, after: FeedPosition, end: FeedPosition, limit: int) -> Select[Any]:
    """The rows of the feed after `after`, in transactions up to that of `end`."""
    stored = (
        select(entries.c.body, entries.c.index)
        .where(
            entries.c.tenant == batches.c.tenant,
            entries.c.index >= batches.c.first_index,
            entries.c.index < batches.c.first_index + batches.c.stored,
            tuple_(batches.c.xid, batches.c.tenant, entries.c.index)
            > tuple_(xid8(after.xid), after.tenant, after.index),
            *conditions(filters),
        )
        # So that each batch is read by its indexes, and not, say, all entries of an action once for each batch.
        .order_by(entries.c.index)
        .limit(limit)
        .lateral("stored")
    )
    place = (batches.c.xid, batches.c.tenant, stored.c.index)
    return (
        select(stored.c.body, *place)
        .select_from(batches.join(stored, true()))
        .where(
            batches.c.xid <= xid8(end.xid),
            # Weaker than the condition on the position, but one that the index can use.
            batches.c.xid >= xid8(after.xid),
            belongs(batches.c.tenant, filters),
        )
        .order_by(*place)
        .limit(limit)
    )


def belongs(tenant: ColumnElement[str], filters: Filters) -> ColumnElement[bool]:
    if filters.tenant is not None:
        return tenant == filters.tenant
    return func.left(tenant, 1) != SYSTEM_TENANT_PREFIX


def conditions(filters: Filters) -> list[ColumnElement[bool]]:
    """The conditions on an entry, except for its tenant; first of all that its body is still there."""
    wanted: list[ColumnElement[bool]] = [entries.c.body.is_not(None)]
    if filters.actor is not None:
        wanted.append(entries.c.actor_id == filters.actor)
    if filters.action is not None:
        wanted.append(action_is(filters.action))
    if filters.target is not None:
        wanted.append(entries.c.target_id == filters.target)
    if filters.outcome is not None:
        # In the text of the statement, so that every plan can use the index of the outcomes other than success.
        wanted.append(entries.c.outcome == literal(filters.outcome, String, literal_execute=True))
    if filters.occurred_from is not None:
        wanted.append(entries.c.occurred_at >= filters.occurred_from)
    if filters.occurred_to is not None:
        wanted.append(entries.c.occurred_at < filters.occurred_to)
    if filters.text is not None:
        # As in the canonical JSON: escaped, without the quotation marks around it.
        escaped = msgspec.json.encode(filters.text)[1:-1].decode()
        wanted.append(func.convert_from(entries.c.body, "UTF8").icontains(escaped, autoescape=True))
    return wanted


def action_is(action: str) -> ColumnElement[bool]:
    if action.endswith("*"):
        return entries.c.action.startswith(action[:-1], autoescape=True)
    return entries.c.action == action


def xid8(number: int) -> ColumnElement[Any]:
    """The number as a transaction id. PostgreSQL can cast only its text."""
    return cast(literal(str(number)), Xid8())
