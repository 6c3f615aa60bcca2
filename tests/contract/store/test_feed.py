"""Following the feed: in whatever order transactions end, nothing is missed and nothing comes twice."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

from conftest import GENEROUS_S, new_tenant
from examples import bodies, body, ids
from trenova.dev.postgres import Postgres
from trenova.store import Store
from trenova.store.search import START_OF_FEED, FeedPosition, Filters

PAGE = 7


async def follow(store: Store, filters: Filters, position: FeedPosition) -> tuple[list[bytes], FeedPosition]:
    """Everything that can be read now, and the position to continue from."""
    seen: list[bytes] = []
    while True:
        page = await store.search.feed(filters, after=position, limit=PAGE)
        assert isinstance(page.next, FeedPosition)
        if not page.bodies:
            assert page.next >= position
            return seen, page.next
        seen += page.bodies
        position = page.next


async def until(store: Store, filters: Filters, position: FeedPosition, count: int) -> list[bytes]:
    """Follow until so many entries have come. Transactions of other sessions may hold some back for a moment."""
    seen: list[bytes] = []
    async with asyncio.timeout(GENEROUS_S):
        while len(seen) < count:
            fresh, position = await follow(store, filters, position)
            seen += fresh
            await asyncio.sleep(0.01)
    return seen


@asynccontextmanager
async def open_transaction(postgres: Postgres) -> AsyncIterator[psycopg.AsyncConnection[object]]:
    """A transaction that has its id and ends with the block."""
    async with await psycopg.AsyncConnection.connect(postgres.owner_url) as connection:
        await connection.execute("SELECT pg_current_xact_id()")
        yield connection


async def test_a_transaction_that_stays_open_hides_later_ones_until_it_ends(
    store: Store, postgres: Postgres, tenant: str
) -> None:
    filters = Filters(tenant=tenant)
    early, late = bodies(tenant, 2), bodies(tenant, 2)
    await store.entries.append(str(uuid.uuid4()), early)
    seen = await until(store, filters, START_OF_FEED, 2)
    assert seen == early
    position = (await store.search.feed(filters, after=START_OF_FEED, limit=10)).next
    assert isinstance(position, FeedPosition)
    async with open_transaction(postgres):
        await store.entries.append(str(uuid.uuid4()), late)
        nothing, position = await follow(store, filters, position)
        assert nothing == []
        assert (await store.search.page(filters, after=None, limit=10)).bodies != []
    assert await until(store, filters, position, 2) == late


async def test_the_current_position_is_before_every_transaction_that_is_still_running(
    store: Store, postgres: Postgres, tenant: str
) -> None:
    await store.entries.append(str(uuid.uuid4()), bodies(tenant, 1))
    await until(store, Filters(tenant=tenant), START_OF_FEED, 1)
    async with open_transaction(postgres):
        late = bodies(tenant, 1)
        await store.entries.append(str(uuid.uuid4()), late)
        position = await store.search.now()
    assert await until(store, Filters(tenant=tenant), position, 1) == late


async def test_a_follower_of_concurrent_writers_gets_every_entry_once(store: Store) -> None:
    tenants, marker = [new_tenant() for _ in range(3)], uuid.uuid4().hex
    writers, batches = 4, 15
    filters = Filters(text=marker)
    position = await store.search.now()

    async def write() -> list[uuid.UUID]:
        sent: list[bytes] = []
        for _ in range(batches):
            batch = [body(tenant, comment=marker) for tenant in tenants for _ in range(2)]
            await store.entries.append(str(uuid.uuid4()), batch)
            sent += batch
        return ids(sent)

    following = asyncio.create_task(until(store, filters, position, writers * batches * 2 * len(tenants)))
    sent = [id_ for each in await asyncio.gather(*(write() for _ in range(writers))) for id_ in each]
    seen = await following
    assert sorted(ids(seen)) == sorted(sent)


async def test_filters_narrow_the_feed_and_duplicates_do_not_appear_again(store: Store, tenant: str) -> None:
    wanted, other = body(tenant, outcome="denied"), body(tenant)
    for _ in range(2):
        await store.entries.append(str(uuid.uuid4()), [wanted, other])
    assert await until(store, Filters(tenant=tenant, outcome="denied"), START_OF_FEED, 1) == [wanted]
    assert (await follow(store, Filters(tenant=tenant), START_OF_FEED))[0] == [wanted, other]


async def test_a_follower_who_finds_nothing_continues_after_what_others_have_stored(store: Store, tenant: str) -> None:
    filters = Filters(tenant=tenant)
    _, before = await follow(store, filters, START_OF_FEED)
    others = new_tenant()
    await store.entries.append(str(uuid.uuid4()), bodies(others, 1))
    await until(store, Filters(tenant=others), before, 1)
    nothing, after = await follow(store, filters, before)
    assert (nothing, after > before) == ([], True)
    again, later = await follow(store, Filters(tenant=others), after)
    assert (again, later >= after) == ([], True)
