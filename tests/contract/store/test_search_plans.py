"""Searches stay fast: what PostgreSQL does for each, with tenants of very unequal sizes.

Before the first ANALYZE and after it: a search may touch a small multiple of its page, however long the log is.
"""

import re
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Select, make_url

from databases import own_database
from trenova.dev.postgres import Postgres
from trenova.store.batches import BATCH_COUNTS
from trenova.store.entries import ENTRY, RECEIPTS
from trenova.store.search import (
    LAST_TENANT,
    WALK_IN_ORDER,
    FeedPosition,
    Filters,
    PagePosition,
    feed_query,
    page_query,
)

ROWS, GONE, BATCH, SMALL_TENANTS = 100_000, 5_000, 100, 1_000
PAGE = 101
BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
MIDDLE = BEGIN + timedelta(seconds=ROWS // 2)
FILL = (Path(__file__).with_name("rows.sql")).read_text(encoding="utf-8")

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Log:
    owner_url: str
    worker_url: str
    first_xid: int

    def xid(self, row: int) -> int:
        """The transaction that stored this row."""
        return self.first_xid + row // BATCH


@pytest.fixture(scope="module")
async def filled_log(postgres: Postgres) -> AsyncIterator[Log]:
    """A database for this module with the rows."""
    async with own_database(postgres) as made:
        async with await psycopg.AsyncConnection.connect(made.owner_url, autocommit=True) as owner:
            first_xid = await fill(owner)
        yield Log(made.owner_url, made.worker_url, first_xid)


async def fill(owner: Connection) -> int:
    for table in ("entries", "batches", "heads"):
        await owner.execute(sql.SQL("ALTER TABLE {} SET (autovacuum_enabled = false)").format(sql.Identifier(table)))
    await owner.execute(FILL, {"begin": -GONE, "end": ROWS - 1})
    # Trees of these logs are never read here: their edges only have the right length.
    await owner.execute(
        "INSERT INTO heads (tenant, size, frontier)"
        " SELECT tenant, size, decode(repeat('00', 32 * bit_count(size::bit(64))::integer), 'hex')"
        " FROM (SELECT tenant, max(index) + 1 AS size FROM entries GROUP BY tenant) AS sizes"
    )
    found = await owner.execute("SELECT pg_current_xact_id()::text::bigint + 1")
    (first,) = (await found.fetchone()) or (0,)
    # The feed shows transactions that have ended: there must be as many as there are batches.
    batches = (ROWS + GONE) // BATCH
    await owner.execute(
        f"DO $$ BEGIN FOR i IN 1..{batches} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
    )
    await owner.execute(
        "INSERT INTO batches (xid, tenant, batch_id, first_index, stored, duplicate)"
        " SELECT (%s + number)::text::xid8, tenant, 'batch-' || number, min(index), count(*), 0"
        " FROM (SELECT tenant, index, floor(extract(epoch FROM occurred_at - %s) / %s)::bigint AS number FROM entries)"
        " AS numbered GROUP BY number, tenant",
        [first, BEGIN - timedelta(seconds=GONE), BATCH],
    )
    return int(first)


@pytest.fixture(scope="module", params=["never analyzed", "analyzed"])
async def log(request: pytest.FixtureRequest, filled_log: Log) -> Log:
    """In the order of the parameters: what has been analyzed stays so."""
    if request.param == "analyzed":
        async with await psycopg.AsyncConnection.connect(filled_log.owner_url, autocommit=True) as owner:
            await owner.execute("ANALYZE")
    return filled_log


@pytest.fixture
async def reader(log: Log) -> AsyncIterator[Connection]:
    """A transaction of the application."""
    async with await psycopg.AsyncConnection.connect(log.worker_url) as connection:
        yield connection


@pytest.fixture(params=["force_custom_plan", "force_generic_plan"])
async def planning_reader(request: pytest.FixtureRequest, reader: Connection) -> Connection:
    """The same, with plans for the values at hand, or those that the driver's prepared statements keep for any."""
    await reader.execute("SELECT set_config('plan_cache_mode', %s, true)", [request.param])
    return reader


@dataclass(frozen=True, slots=True)
class Plan:
    """What PostgreSQL did, from EXPLAIN (ANALYZE, BUFFERS)."""

    root: Mapping[str, Any]

    def nodes(self) -> Iterator[Mapping[str, Any]]:
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += node.get("Plans", [])

    @property
    def read_whole(self) -> set[str]:
        """The tables that were read from end to end."""
        return {node["Relation Name"] for node in self.nodes() if node["Node Type"] == "Seq Scan"}

    @property
    def entries(self) -> int:
        """Rows of `entries` that were read, including those that a filter dropped."""
        return sum(
            round((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
            for node in self.nodes()
            if node.get("Relation Name") == "entries"
        )

    @property
    def sorted(self) -> int:
        """Rows that went through a sort."""
        return sum(
            round(child["Actual Rows"] * child["Actual Loops"])
            for node in self.nodes()
            if "Sort" in node["Node Type"]
            for child in node["Plans"]
        )

    @property
    def pages(self) -> int:
        """Pages of 8 KiB, cached or not."""
        return int(self.root["Shared Hit Blocks"] + self.root["Shared Read Blocks"])


DIALECT = make_url("postgresql+psycopg://").get_dialect()()


async def explain(reader: Connection, query: Select[Any] | str, values: Mapping[str, Any] | None = None) -> Plan:
    """Run the query as a prepared statement."""
    if isinstance(query, str):
        statement, given = query, dict(values or {})
    else:
        compiled = query.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})
        statement, given = str(compiled), dict(compiled.params)
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
    numbered = re.sub(r"%\((\w+)\)s", lambda found: f"${names.index(found[1]) + 1}", statement).replace("%%", "%")
    await reader.execute(f"PREPARE explained AS {numbered}".encode())
    arguments = sql.SQL(", ").join(sql.Literal(given[name]) for name in names)
    run = sql.SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE explained({})" if names else "{}")
    (found,) = await (await reader.execute(run.format(arguments))).fetchone() or ({},)
    return Plan(found[0]["Plan"])


async def explain_search(reader: Connection, query: Select[Any]) -> Plan:
    await reader.execute(str(WALK_IN_ORDER.compile(dialect=DIALECT, compile_kwargs={"literal_binds": True})).encode())
    return await explain(reader, query)


def page(*, after: PagePosition | None = None, **wanted: Any) -> Select[Any]:
    return page_query(Filters(**wanted), after=after, limit=PAGE)


def deep(tenant: str) -> PagePosition:
    return PagePosition(MIDDLE, tenant, uuid.UUID(int=2**127))


HOUR: dict[str, Any] = {"occurred_from": MIDDLE, "occurred_to": MIDDLE + timedelta(hours=1)}

# Each with the rows of `entries` that it may read.
PAGES = {
    "tenant": (page(tenant="large"), PAGE),
    "small tenant": (page(tenant="small-7"), PAGE),
    "tenant that wrote long ago": (page(tenant="gone"), PAGE),
    "tenant, deep": (page(after=deep("large"), tenant="large"), PAGE),
    "tenant and time": (page(tenant="large", **HOUR), PAGE),
    "tenant and end": (page(tenant="large", occurred_to=MIDDLE), PAGE),
    "tenant, time before all": (page(tenant="large", occurred_to=BEGIN - timedelta(days=1)), PAGE),
    "actor": (page(tenant="large", actor="user-500"), PAGE),
    "busy actor": (page(tenant="large", actor="user-0"), PAGE),
    "busy actor, deep": (page(after=deep("large"), tenant="large", actor="user-0"), PAGE),
    "rare actor": (page(tenant="large", actor="auditor"), PAGE),
    "unknown actor": (page(tenant="large", actor="nobody"), PAGE),
    "actor and time": (page(tenant="large", actor="user-0", **HOUR), PAGE),
    "target": (page(tenant="large", target="s-77"), PAGE),
    "unknown target": (page(tenant="middle", target="nothing"), PAGE),
    "actor and target": (page(tenant="large", actor="auditor", target="s-77"), 2 * PAGE),
    "busy action": (page(tenant="large", action="shipment.update"), 4 * PAGE),
    "busy action, deep": (page(after=deep("large"), tenant="large", action="shipment.update"), 4 * PAGE),
    "rare action": (page(tenant="large", action="billing.refund"), PAGE),
    "action and time": (page(tenant="large", action="shipment.update", **HOUR), PAGE),
    "busy beginning": (page(tenant="large", action="shipment.*"), 4 * PAGE),
    "busy beginning, deep": (page(after=deep("large"), tenant="large", action="shipment.*"), 4 * PAGE),
    "rare beginning": (page(tenant="large", action="billing.*"), PAGE),
    "unknown beginning": (page(tenant="large", action="nothing.*"), PAGE),
    "any action": (page(tenant="large", action="*"), 12 * PAGE),
    "beginning and actor": (page(tenant="large", action="shipment.*", actor="user-0"), 4 * PAGE),
    "success": (page(tenant="large", outcome="success"), 2 * PAGE),
    "failure": (page(tenant="large", outcome="failure"), PAGE),
    "denied": (page(tenant="large", outcome="denied"), PAGE),
    "denied, deep": (page(after=deep("large"), tenant="large", outcome="denied"), PAGE),
    "text in all": (page(tenant="large", text="SHIPMENT"), PAGE),
    "text in some": (page(tenant="large", text="failure"), 60 * PAGE),
    "text of an actor": (page(tenant="large", actor="auditor", text="nowhere"), PAGE),
    "text and time": (page(tenant="large", text="nowhere", **HOUR), 3600),
    "all tenants": (page(), PAGE),
    "all tenants, deep": (page(after=deep("large")), PAGE),
    "all tenants and time": (page(**HOUR), PAGE),
    "all tenants, busy action": (page(action="shipment.update"), 5 * PAGE),
    "all tenants, failure": (page(outcome="failure"), 60 * PAGE),
    "all tenants, rare actor": (page(actor="auditor"), 4 * PAGE),
    "all tenants, busy actor, deep": (page(after=deep("large"), actor="user-0"), 50 * PAGE),
    "all tenants, target": (page(target="s-77"), PAGE),
}
# Each row is in a page of the table; the rest are steps down indexes, of a few pages each.
STEPS = 60
LOGS = SMALL_TENANTS + 4
A_STEP_FOR_EACH_LOG = {"all tenants, rare actor", "all tenants, busy actor, deep", "all tenants, target"}


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_is_found_by_walking_an_index(reader: Connection, name: str) -> None:
    query, most = PAGES[name]
    plan = await explain_search(reader, query)
    everywhere = name in A_STEP_FOR_EACH_LOG
    assert plan.read_whole <= ({"heads"} if everywhere else set()), plan.root
    assert plan.entries <= most, plan.root
    assert plan.sorted <= most, plan.root
    assert plan.pages <= 2 * most + STEPS + (5 * LOGS if everywhere else 0), plan.root


@pytest.mark.parametrize("wanted", [{"text": "nowhere"}, {"outcome": "denied"}], ids=str)
async def test_what_no_index_holds_is_searched_in_the_order_of_the_page(
    reader: Connection, wanted: dict[str, Any]
) -> None:
    plan = await explain_search(reader, page(**wanted))
    assert (plan.read_whole, plan.sorted) == (set(), 0), plan.root


def feed(after: FeedPosition, log: Log, **wanted: Any) -> Select[Any]:
    end = FeedPosition(log.xid(ROWS + GONE), LAST_TENANT, 0)
    return feed_query(Filters(**wanted), after=after, end=end, limit=PAGE)


# Where the feed is in the log, as a part of it.
PLACES = {"start": 0.0, "middle": 0.5, "end": 0.999}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("wanted", "most"),
    [
        ({}, 3 * PAGE),
        ({"tenant": "large"}, 3 * PAGE),
        ({"tenant": "small-7"}, PAGE),
        ({"tenant": "gone"}, 3 * PAGE),
        ({"tenant": "large", "action": "shipment.update"}, 6 * PAGE),
        ({"outcome": "success"}, 3 * PAGE),
        ({"tenant": "small-7", "actor": "nobody"}, ROWS // SMALL_TENANTS),
    ],
    ids=str,
)
async def test_the_feed_is_read_from_its_position(
    reader: Connection, log: Log, place: str, wanted: dict[str, Any], most: int
) -> None:
    position = FeedPosition(log.xid(int(PLACES[place] * (ROWS + GONE))), "large", 0)
    plan = await explain_search(reader, feed(position, log, **wanted))
    assert plan.read_whole == set(), plan.root
    assert plan.entries <= most, plan.root
    assert plan.sorted <= most, plan.root
    assert plan.pages <= 3 * most + STEPS, plan.root


@pytest.mark.parametrize("tenant", ["large", None])
async def test_an_entry_is_found_by_its_id(planning_reader: Connection, tenant: str | None) -> None:
    plan = await explain(planning_reader, ENTRY, {"id": uuid.uuid4(), "tenant": tenant})
    assert plan.read_whole <= {"heads"}, plan.root
    assert plan.pages <= 5 * LOGS, plan.root


async def test_receipts_are_found_by_their_ids(planning_reader: Connection) -> None:
    asked = {
        "batch_ids": ["batch-7"],
        "tenants": ["large"] * PAGE,
        "ids": [uuid.uuid4() for _ in range(PAGE)],
        "at_most": [4096] * PAGE,
    }
    plan = await explain(planning_reader, RECEIPTS, asked)
    assert plan.read_whole == set(), plan.root
    assert plan.pages <= 5 * PAGE, plan.root


async def test_a_batch_is_found_by_its_id(planning_reader: Connection) -> None:
    plan = await explain(planning_reader, BATCH_COUNTS, {"batch_id": "batch-7"})
    assert plan.read_whole <= {"heads"}, plan.root
    assert plan.pages <= STEPS, plan.root
