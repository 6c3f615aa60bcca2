"""Group commit against a real Temporal server, with a lossy network."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from conftest import GENEROUS_S, converter, new_tenant
from contract.lossy_proxy import LossyProxy
from trenova.codec.layered_codec import MAX_SENT_BYTES
from trenova.config import Settings
from trenova.dev.temporal import Temporal
from trenova.domain.entry import SealedEntry
from trenova.errors import Unavailable
from trenova.ingest import GroupCommit, group, wait_until_stored
from trenova.runtime.connection import connect
from trenova.store import Store


def entries(tenant: str, number: int, *, padding: int = 0) -> list[SealedEntry]:
    return [seal_entry(tenant, padding) for _ in range(number)]


def seal_entry(tenant: str, padding: int) -> SealedEntry:
    id_ = uuid.uuid4()
    comment = f'"comment":"{"x" * padding}",' if padding else ""
    body = (
        f'{{"action":"a.b","actor":{{"id":"u","type":"user"}},{comment}"id":"{id_}",'
        f'"occurred_at":"2026-01-01T00:00:00Z","outcome":"success","received_at":"2026-01-01T00:00:00Z",'
        f'"target":{{"id":"t","type":"thing"}},"tenant":"{tenant}"}}'
    )
    return SealedEntry(id=id_, tenant=tenant, body=body.encode())


@pytest.fixture
async def proxy(temporal: Temporal) -> AsyncIterator[LossyProxy]:
    host, _, port = temporal.address.rpartition(":")
    async with LossyProxy(host, int(port)).running() as running:
        yield running


@pytest.fixture
async def far_commit(far_client: Client) -> AsyncIterator[GroupCommit]:
    commit = GroupCommit(far_client)
    async with commit.running():
        yield commit


@pytest.fixture
async def far_client(proxy: LossyProxy, settings: Settings) -> Client:
    """A client that reaches Temporal through the proxy."""
    far = settings.temporal.model_copy(update={"host_port": proxy.address})
    return await connect(far, converter())


async def test_a_lone_entry_is_sent_at_once_and_alone(client: Client) -> None:
    commit = GroupCommit(client)
    (placed,) = await commit.add(entries(new_tenant(), 1))
    assert len(placed.entries) == 1


async def test_many_callers_travel_in_few_batches(client: Client, worker: None, store: Store) -> None:
    commit = GroupCommit(client)
    tenant = new_tenant()
    answers = await asyncio.gather(*(commit.add(entries(tenant, 1)) for _ in range(500)))
    batches = {placed.batch.batch_id for answer in answers for placed in answer}
    assert len(batches) <= 20
    assert await wait_until_stored([placed for answer in answers for placed in answer], GENEROUS_S)
    assert sum([part.stored for batch in batches for part in await store.batches.find(batch)]) == 500


async def test_a_large_request_and_its_small_neighbours_all_arrive(client: Client, worker: None) -> None:
    commit = GroupCommit(client)
    large, small = entries(new_tenant(), 600, padding=6000), [entries(new_tenant(), 1) for _ in range(20)]
    answers = await asyncio.gather(commit.add(large), *(commit.add(each) for each in small))
    assert [entry for placed in answers[0] for entry in placed.entries] == large
    assert len(answers[0]) > 1
    assert all(len(answer) == 1 for answer in answers[1:])
    assert await wait_until_stored([placed for answer in answers for placed in answer], GENEROUS_S)


async def test_entries_that_do_not_shrink_are_sent_in_halves(settings: Settings, worker: None, store: Store) -> None:
    commit = GroupCommit(await connect(settings.temporal, converter(compressed=False)))
    large, small = entries(new_tenant(), 440, padding=5000), entries(new_tenant(), 1)
    assert MAX_SENT_BYTES < sum(len(entry.body) for entry in large) < group.MAX_BATCH_BYTES
    answers = await asyncio.gather(commit.add(large), commit.add(small))
    assert [entry for placed in answers[0] for entry in placed.entries] == large
    assert len(answers[0]) == 2
    assert await wait_until_stored([placed for answer in answers for placed in answer], GENEROUS_S)
    assert await size_of(store, large[0].tenant) == 440


async def test_a_rest_follows_a_shared_batch_and_never_a_lone_entry(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = GroupCommit(client)
    rests: list[float] = []
    monkeypatch.setattr(commit, "start_rest", rests.append)
    for _ in range(3):
        await commit.add(entries(new_tenant(), 1))
    assert not rests
    await asyncio.gather(*(commit.add(entries(new_tenant(), 1)) for _ in range(20)))
    assert len(rests) == 1  # the first was sent alone, the others together


async def test_requests_during_a_rest_are_sent_together_after_it(client: Client) -> None:
    commit = GroupCommit(client)
    commit.start_rest(0.02)
    answers = await asyncio.gather(*(commit.add(entries(new_tenant(), 1)) for _ in range(20)))
    assert len({placed.batch.batch_id for answer in answers for placed in answer}) == 1


async def test_an_outage_fails_the_waiting_requests_and_none_after_it(
    proxy: LossyProxy, far_commit: GroupCommit
) -> None:
    await far_commit.add(entries(new_tenant(), 1))
    proxy.mode = "refuse"
    proxy.cut()
    results = await asyncio.gather(
        *(far_commit.add(entries(new_tenant(), 1)) for _ in range(5)), return_exceptions=True
    )
    assert all(isinstance(result, Unavailable) for result in results)
    proxy.mode = "pass"
    async with asyncio.timeout(GENEROUS_S):
        while True:
            try:
                await far_commit.add(entries(new_tenant(), 1))
                break
            except Unavailable:
                await asyncio.sleep(0.1)
    assert (far_commit.queue.waiting_bytes, far_commit.waiters) == (0, {})


async def test_an_answer_lost_on_the_way_starts_nothing_twice(
    proxy: LossyProxy, far_commit: GroupCommit, worker: None, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Persisted, but the answer was lost: the same call with the same id finds the workflow."""
    monkeypatch.setattr("trenova.ingest.start.ATTEMPTS", GENEROUS_S)  # however long it takes until the batch is stored
    await far_commit.add(entries(new_tenant(), 1))
    tenant = new_tenant()
    proxy.mode = "lose answers"
    waiting = asyncio.create_task(far_commit.add(entries(tenant, 3)))
    async with asyncio.timeout(GENEROUS_S):
        while await size_of(store, tenant) == 0:  # noqa: ASYNC110 - the database cannot call
            await asyncio.sleep(0.1)
        proxy.mode = "pass"
        proxy.cut()
        (placed,) = await waiting
    assert await wait_until_stored([placed], GENEROUS_S)
    assert await size_of(store, tenant) == 3
    (part,) = await store.batches.find(placed.batch.batch_id)
    assert (part.stored, part.duplicate) == (3, 0)


async def test_a_request_lost_on_the_way_is_sent_again(
    proxy: LossyProxy, far_commit: GroupCommit, worker: None, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not persisted: the same call, repeated, persists it."""
    monkeypatch.setattr(
        "trenova.ingest.start.ATTEMPTS", GENEROUS_S
    )  # however long it takes until it is seen to be lost
    await far_commit.add(entries(new_tenant(), 1))
    tenant = new_tenant()
    proxy.mode = "lose requests"
    waiting = asyncio.create_task(far_commit.add(entries(tenant, 3)))
    async with asyncio.timeout(GENEROUS_S):
        await proxy.lost.wait()
        proxy.mode = "pass"
        proxy.cut()
        placed = await waiting
    assert await wait_until_stored(placed, GENEROUS_S)
    assert await size_of(store, tenant) == 3


async def test_beyond_its_limit_the_queue_answers_busy_with_a_retry_time(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "MAX_WAITING_BYTES", 10_000)
    commit = GroupCommit(client)
    tenant = new_tenant()
    results = await asyncio.gather(
        *(commit.add(entries(tenant, 1, padding=3000)) for _ in range(30)), return_exceptions=True
    )
    rejected = [result for result in results if isinstance(result, Unavailable)]
    assert rejected
    assert all(error.retry_after_s >= 1 for error in rejected)
    assert any(isinstance(result, list) for result in results)
    await commit.add(entries(tenant, 1))


async def test_a_cancelled_caller_leaves_nothing_in_the_queue(client: Client) -> None:
    commit = GroupCommit(client)
    tenant = new_tenant()
    callers = [asyncio.create_task(commit.add(entries(tenant, 200, padding=2000))) for _ in range(10)]
    await asyncio.sleep(0)
    for caller in callers[3:]:
        caller.cancel()
    done = await asyncio.gather(*callers, return_exceptions=True)
    assert sum(isinstance(each, list) for each in done) == 3
    assert (commit.queue.waiting_bytes, commit.queue.waiting_entries, commit.waiters) == (0, 0, {})


async def size_of(store: Store, tenant: str) -> int:
    async with store.pool.cursor() as cursor:
        await cursor.execute("SELECT size FROM heads WHERE tenant = %s", (tenant,))
        row = await cursor.fetchone()
        return 0 if row is None else int(row[0])
