"""Batches wait for an unreachable database: nothing accepted is given up, and a backlog keeps its order."""

import asyncio
import dataclasses
import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from itertools import combinations, product
from pathlib import Path

import pytest
from temporalio.testing import ActivityEnvironment

import prepared
from conftest import GENEROUS_S
from trenova.worker import store_gate
from workflow.outage import Handle, Servers, open_servers, pending_attempt, wait_until_scheduled, wait_until_waiting

BACKLOG = 60
SLOTS = 10


@pytest.fixture
async def servers(folder: Path) -> AsyncIterator[Servers]:
    """Servers whose database accepts no connection."""
    async with open_servers(prepared.prepare(folder / f"unreachable-{uuid.uuid4()}")) as servers:
        servers.network.mode = "refuse"
        yield servers


async def test_a_batch_waits_in_its_first_attempt_and_is_stored_when_the_database_is_available_again(
    servers: Servers, tenant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with servers.worker() as store, asyncio.timeout(GENEROUS_S):
        handle = await servers.start(tenant)
        assert (await wait_until_waiting(handle, why="the database is unreachable: ")).startswith(
            "the database is unreachable: "
        )
        assert not (await pending_attempt(handle)).failed
        servers.network.mode = "pass"
        result = await handle.result()
        assert (result.stored, result.duplicate) == (3, 0)
        await store.ping()
    await servers.check_stored_once(tenant, 3)
    logged = capsys.readouterr().out
    assert "waiting for the database" in logged
    assert "the database is available again" in logged


async def test_a_backlog_is_stored_in_the_order_of_arrival_and_new_batches_do_not_overtake_it(
    servers: Servers, tenant: str
) -> None:
    async with servers.worker(), asyncio.timeout(GENEROUS_S):
        backlog = [await servers.start(tenant) for _ in range(BACKLOG)]
        for handle in backlog:
            await wait_until_scheduled(handle)
        # Without the gate each batch would have connected twice by now. The gate connects a few times a minute.
        assert servers.network.attempts < BACKLOG
        assert [failed for handle in backlog if (failed := (await pending_attempt(handle)).failed)] == []
        # From then on each batch that leaves the queue shows that others wait behind it.
        await asyncio.sleep(store_gate.BACKLOG_AFTER.total_seconds())
        servers.network.mode = "pass"
        new_batches = [await servers.start(tenant) for _ in range(SLOTS)]
        await asyncio.gather(*(handle.result() for handle in (*backlog, *new_batches)))
    await servers.check_stored_once(tenant, 3 * (BACKLOG + SLOTS))
    first, last = [
        await servers.first_indexes([handle for handle in handles if not await was_lost(handle)])
        for handles in (backlog, new_batches)
    ]
    # In random order it would be half of the pairs. Only batches that hold slots at the same time may change places.
    assert share_overtaken(list(combinations(first, 2))) < 0.4
    # It would be five sixths if new batches overtook those that wait in Temporal.
    assert share_overtaken(list(product(first, last))) < 0.5


def share_overtaken(pairs: Sequence[tuple[int, int]]) -> float:
    """The share of the pairs whose later batch was stored earlier."""
    return sum(one > other for one, other in pairs) / len(pairs)


async def was_lost(handle: Handle) -> bool:
    """Whether Temporal took an attempt for lost, as its machine stalled: the next one is at the end of the queue."""
    history = await handle.fetch_history()
    started = [event.activity_task_started_event_attributes for event in history.events]
    return any(each.attempt > 1 for each in started)


async def test_a_worker_that_stops_while_the_database_is_unreachable_leaves_its_batches_to_the_next_one(
    servers: Servers, tenant: str
) -> None:
    async with asyncio.timeout(GENEROUS_S):
        async with servers.worker():
            handles = [await servers.start(tenant) for _ in range(2 * SLOTS)]
            for handle in handles:
                await wait_until_scheduled(handle)
            await wait_until_waiting(*handles)
        servers.network.mode = "pass"
        async with servers.worker():
            await asyncio.gather(*(handle.result() for handle in handles))
    await servers.check_stored_once(tenant, 3 * 2 * SLOTS)


async def test_a_cancelled_batch_does_not_block_the_gate(servers: Servers, tenant: str) -> None:
    async with servers.worker(), asyncio.timeout(GENEROUS_S):
        cancelled, other = await servers.start(tenant), await servers.start(tenant)
        await wait_until_waiting(cancelled)
        await wait_until_scheduled(other)
        await cancelled.cancel()
        servers.network.mode = "pass"
        assert (await other.result()).stored == 3


def test_an_attempt_of_the_first_release_ends_before_temporal_gives_it_to_another_worker() -> None:
    info = ActivityEnvironment.default_info()
    first = store_gate.attempt_limit_s(dataclasses.replace(info, start_to_close_timeout=timedelta(minutes=2)))
    assert first is not None
    assert store_gate.ANSWER_LIMIT_S < first < 120
