"""Finding entries: each filter, and pages."""

import asyncio
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from conftest import GENEROUS_S, new_tenant
from examples import RECEIVED_AT, append_as_system, body, ids
from trenova.dev.postgres import Postgres
from trenova.errors import InvalidRequest, SearchTooWide
from trenova.store import Store
from trenova.store.search import Filters, PagePosition

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def put(store: Store, tenant: str, **fields: Any) -> uuid.UUID:
    """Store one entry and return its id."""
    stored = body(tenant, **fields)
    await append_as_system(store, stored)
    return ids([stored])[0]


async def find_ids(store: Store, tenant: str, **wanted: Any) -> set[uuid.UUID]:
    page = await store.search.page(Filters(tenant=tenant, **wanted), after=None, limit=100)
    return set(ids(list(page.bodies)))


async def test_actor_and_target_are_found_by_their_exact_id(store: Store, tenant: str) -> None:
    ada = await put(store, tenant, actor={"type": "user", "id": "ada"}, target={"type": "user", "id": "bob"})
    bob = await put(store, tenant, actor={"type": "user", "id": "bob"}, target={"type": "user", "id": "ada%"})
    assert await find_ids(store, tenant, actor="ada") == {ada}
    assert await find_ids(store, tenant, target="bob") == {ada}
    assert await find_ids(store, tenant, actor="bob", target="ada%") == {bob}
    assert await find_ids(store, tenant, actor="Ada") == await find_ids(store, tenant, target="ada") == set()


async def test_an_action_is_found_whole_or_by_its_beginning_with_a_star(store: Store, tenant: str) -> None:
    update = await put(store, tenant, action="shipment.update")
    updated = await put(store, tenant, action="shipment.update_all")
    other = await put(store, tenant, action="shipmentxupdate")
    assert await find_ids(store, tenant, action="shipment.update") == {update}
    assert await find_ids(store, tenant, action="shipment.update*") == {update, updated}
    assert await find_ids(store, tenant, action="shipment.*") == {update, updated}
    assert await find_ids(store, tenant, action="*") == {update, updated, other}


@pytest.mark.parametrize("pattern", ["shipment%*", "%*", "shipment_*", "shipment\\*", "ship*update*", "*.update*"])
async def test_other_signs_in_an_action_mean_themselves(store: Store, tenant: str, pattern: str) -> None:
    await put(store, tenant, action="shipment.update")
    assert await find_ids(store, tenant, action=pattern) == set()


async def test_an_underscore_in_the_beginning_of_an_action_is_not_a_wildcard(store: Store, tenant: str) -> None:
    exact = await put(store, tenant, action="a_b.c")
    await put(store, tenant, action="axb.c")
    assert await find_ids(store, tenant, action="a_*") == {exact}


async def test_the_outcome_is_found(store: Store, tenant: str) -> None:
    of = {outcome: await put(store, tenant, outcome=outcome) for outcome in ("success", "failure", "denied")}
    assert {outcome: await find_ids(store, tenant, outcome=outcome) for outcome in of} == {
        outcome: {each} for outcome, each in of.items()
    }


async def test_a_span_of_time_holds_its_beginning_and_not_its_end(store: Store, tenant: str) -> None:
    times = [NOON + timedelta(microseconds=each) for each in (-1, 0, 1, 2)]
    _, at, after, end = [await put(store, tenant, occurred_at=each.isoformat()) for each in times]
    assert await find_ids(store, tenant, occurred_from=times[1], occurred_to=times[3]) == {at, after}
    assert await find_ids(store, tenant, occurred_from=times[2]) == {after, end}
    assert await find_ids(store, tenant, occurred_from=NOON, occurred_to=NOON) == set()


HARD_TEXTS = [
    'say "hello"',
    "C:\\new\\temp",
    "100% sure",
    "snake_case",
    "new\nline\tand tab",
    "Grüße, 世界 🌍",
    "it's; DROP TABLE entries --",
    "/slash/",
    "\x01\x7f\u2028",
]


@pytest.mark.parametrize("text", HARD_TEXTS)
async def test_a_text_is_found_anywhere_in_an_entry_as_it_was_written(store: Store, tenant: str, text: str) -> None:
    comment = await put(store, tenant, comment=f"before {text} after")
    nested = await put(store, tenant, metadata={"deep": [{text: 1}]})
    await put(store, tenant, comment="say hello new temp 100 sure snakeXcase Gruse slash")
    assert await find_ids(store, tenant, text=text) == {comment, nested}


@pytest.mark.parametrize(("text", "count"), [("%", 0), ("_", 0), ("\\", 0), ('"', 0), ("HELLO", 1), ("hello w", 1)])
async def test_a_text_is_found_in_any_case_and_wildcards_mean_themselves(
    store: Store, tenant: str, text: str, count: int
) -> None:
    await put(store, tenant, action="a.b", actor={"type": "u", "id": "1"}, comment="Hello World")
    # `received_at` is a key of every entry and has an underscore in it.
    assert len(await find_ids(store, tenant, text=text)) == (1 if text == "_" else count)


async def test_filters_apply_together(store: Store, tenant: str) -> None:
    wanted = await put(store, tenant, action="a.b", outcome="denied", comment="x")
    await put(store, tenant, action="a.b", outcome="denied", comment="y")
    await put(store, tenant, action="a.c", outcome="denied", comment="x")
    assert await find_ids(store, tenant, action="a.b", outcome="denied", text='comment":"x') == set()
    assert await find_ids(store, tenant, action="a.b", outcome="denied", text="x") == {wanted}


async def test_pages_of_entries_with_one_time_neither_miss_nor_repeat(store: Store, tenant: str) -> None:
    times = [NOON, NOON, NOON, NOON, NOON - timedelta(seconds=1), NOON, NOON]
    sent = [await put(store, tenant, occurred_at=each.isoformat()) for each in times]
    seen: list[uuid.UUID] = []
    moments: list[str] = []
    after: PagePosition | None = None
    for size in (3, 3, 1):
        page = await store.search.page(Filters(tenant=tenant), after=after, limit=3)
        assert len(page.bodies) == size
        seen += ids(list(page.bodies))
        moments += [json.loads(each)["occurred_at"] for each in page.bodies]
        assert page.next is None or isinstance(page.next, PagePosition)
        after = page.next
    assert after is None
    assert sorted(seen) == sorted(sent)
    assert moments == sorted(moments, reverse=True)


@pytest.mark.parametrize("wanted", ["actor", "target", "actor and beginning", "beginning"])
async def test_pages_that_are_merged_from_ledgers_or_actions_neither_miss_nor_repeat(store: Store, wanted: str) -> None:
    name, one = uuid.uuid4().hex, wanted == "beginning"
    tenants = [new_tenant()] if one else [*(new_tenant() for _ in range(3)), f"_{new_tenant()}"]
    party = {"actor": {"type": "user", "id": name}, "target": {"type": "user", "id": name}}
    expected = []
    for number in range(24):
        tenant, at = tenants[number % len(tenants)], NOON + timedelta(seconds=number % 5)
        action = ("a.b", "a.c", "a_b.c", "b")[number % 3 + number % 2]
        sent = body(tenant, id=str(uuid.uuid4()), occurred_at=at.isoformat(), action=action, **party)
        await append_as_system(store, sent)
        if not tenant.startswith("_") and ("beginning" not in wanted or action in {"a.b", "a.c"}):
            expected.append((at, tenant, ids([sent])[0]))
    filters = Filters(
        tenant=tenants[0] if one else None,
        actor=name if "actor" in wanted else None,
        target=name if "target" in wanted else None,
        action="a.*" if "beginning" in wanted else None,
    )
    seen: list[bytes] = []
    after: PagePosition | None = None
    while after is not None or not seen:
        page = await store.search.page(filters, after=after, limit=2)
        seen += page.bodies
        assert page.next is None or isinstance(page.next, PagePosition)
        after = page.next
    assert ids(seen) == [id_ for *_, id_ in sorted(expected, reverse=True)]


async def test_a_page_that_is_just_full_is_the_last(store: Store, tenant: str) -> None:
    await store.entries.append(str(uuid.uuid4()), [body(tenant), body(tenant)])
    assert (await store.search.page(Filters(tenant=tenant), after=None, limit=2)).next is None


async def test_a_search_over_all_tenants_leaves_out_the_systems_own_unless_it_is_named(store: Store) -> None:
    ordinary, system, marker = new_tenant(), f"_{new_tenant()}", uuid.uuid4().hex
    one = await put(store, ordinary, comment=marker)
    other = await put(store, system, comment=marker)
    page = await store.search.page(Filters(text=marker), after=None, limit=10)
    assert ids(list(page.bodies)) == [one]
    assert await find_ids(store, system, text=marker) == {other}


async def test_an_entry_without_a_time_is_found_by_the_time_of_its_receipt(store: Store, tenant: str) -> None:
    sent = await put(store, tenant)
    assert await find_ids(store, tenant, occurred_from=RECEIVED_AT, occurred_to=RECEIVED_AT + timedelta.resolution) == {
        sent
    }


async def test_a_search_that_the_database_stops_is_to_be_narrowed_and_not_retried(
    store: Store, postgres: Postgres, owner: psycopg.AsyncConnection[tuple[Any, ...]], tenant: str
) -> None:
    """The database reports a search that took too long like one that was cancelled, which takes no waiting."""
    async with await psycopg.AsyncConnection.connect(postgres.owner_url) as holder, asyncio.timeout(GENEROUS_S):
        await holder.execute("LOCK TABLE entries")
        searching = asyncio.create_task(find_ids(store, tenant))
        cancelled = 0
        while not cancelled:
            waiting = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
            cancelled = (await owner.execute(waiting, [holder.info.backend_pid])).rowcount
        with pytest.raises(SearchTooWide, match="the search was stopped") as failure:
            await searching
    assert isinstance(failure.value, InvalidRequest)
    assert not failure.value.retryable
