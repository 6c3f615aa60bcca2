"""A database that is away is waited for: nothing that was accepted is given up, and a backlog keeps its order."""

import asyncio
import dataclasses
import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from itertools import combinations, product
from pathlib import Path

import pytest
from temporalio.testing import ActivityEnvironment

from conftest import GENEROUS_S
from trenova.worker import store_gate
from workflow.outage import Handle, Scene, scene, scheduled, seen, waits

BACKLOG = 60
SLOTS = 10


@pytest.fixture
async def away(folder: Path) -> AsyncIterator[Scene]:
    """Everything runs, and no connection to the database succeeds."""
    async with scene(folder / f"away-{uuid.uuid4()}") as opened:
        opened.network.mode = "refuse"
        yield opened


async def test_a_batch_waits_in_its_first_attempt_and_is_stored_when_the_database_is_back(
    away: Scene, tenant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with away.worker() as store, asyncio.timeout(GENEROUS_S):
        handle = await away.start(tenant)
        assert (await waits(handle, why="the database is unavailable: ")).startswith("the database is unavailable: ")
        assert not (await seen(handle)).failed
        away.network.mode = "pass"
        result = await handle.result()
        assert (result.stored, result.duplicate) == (3, 0)
        await store.ping()
    await away.check_stored_once(tenant, 3)
    logged = capsys.readouterr().out
    assert "waiting for the database" in logged
    assert "the database is available again" in logged


async def test_a_backlog_is_stored_in_the_order_of_arrival_and_newcomers_do_not_overtake_it(
    away: Scene, tenant: str
) -> None:
    async with away.worker(), asyncio.timeout(GENEROUS_S):
        backlog = [await away.start(tenant) for _ in range(BACKLOG)]
        for handle in backlog:
            await scheduled(handle)
        # Without the gate each batch asks at least twice by now. The tries go on, a few each minute.
        assert away.network.asked < BACKLOG
        assert [failed for handle in backlog if (failed := (await seen(handle)).failed)] == []
        # From then on each that comes out of the queue says that others wait behind it.
        await asyncio.sleep(store_gate.BACKLOG_AFTER.total_seconds())
        away.network.mode = "pass"
        newcomers = [await away.start(tenant) for _ in range(SLOTS)]
        await asyncio.gather(*(handle.result() for handle in (*backlog, *newcomers)))
    await away.check_stored_once(tenant, 3 * (BACKLOG + SLOTS))
    first, last = [
        await away.first_indexes([handle for handle in handles if not await lost(handle)])
        for handles in (backlog, newcomers)
    ]
    # By chance it would be half of the pairs. Only those that hold a slot at the same time may change places.
    assert overtaken(list(combinations(first, 2))) < 0.4
    # Five sixths, were newcomers let past those that wait in Temporal.
    assert overtaken(list(product(first, last))) < 0.5


def overtaken(pairs: Sequence[tuple[int, int]]) -> float:
    """The part of the pairs of which the one that arrived later was stored earlier."""
    return sum(one > other for one, other in pairs) / len(pairs)


async def lost(handle: Handle) -> bool:
    """Whether Temporal took an attempt for lost, as its machine stalled: the next one is at the end of the queue."""
    history = await handle.fetch_history()
    started = [event.activity_task_started_event_attributes for event in history.events]
    return any(each.attempt > 1 for each in started)


async def test_a_worker_that_stops_while_the_database_is_away_ends_and_the_next_one_stores(
    away: Scene, tenant: str
) -> None:
    async with asyncio.timeout(GENEROUS_S):
        async with away.worker():
            handles = [await away.start(tenant) for _ in range(2 * SLOTS)]
            for handle in handles:
                await scheduled(handle)
            await waits(*handles)
        away.network.mode = "pass"
        async with away.worker():
            await asyncio.gather(*(handle.result() for handle in handles))
    await away.check_stored_once(tenant, 3 * 2 * SLOTS)


async def test_a_cancelled_batch_leaves_the_gate_to_the_others(away: Scene, tenant: str) -> None:
    async with away.worker(), asyncio.timeout(GENEROUS_S):
        cancelled, kept = await away.start(tenant), await away.start(tenant)
        await waits(cancelled)
        await scheduled(kept)
        await cancelled.cancel()
        away.network.mode = "pass"
        assert (await kept.result()).stored == 3


def test_an_attempt_of_the_first_release_ends_before_temporal_gives_it_to_another_worker() -> None:
    info = ActivityEnvironment.default_info()
    first = store_gate.attempt_limit_s(dataclasses.replace(info, start_to_close_timeout=timedelta(minutes=2)))
    assert first is not None
    assert store_gate.ANSWER_LIMIT_S < first < 120
