"""Group commit while Temporal is unreachable, behind a lossy network: no caller waits, nothing piles up."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import uuid_utils
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.common import Priority

from conftest import GENEROUS_S, converter, new_tenant
from contract.lossy_proxy import LossyProxy
from contract.test_group_commit import entries, size_of
from trenova.codec.compose import data_converter_for
from trenova.codec.layered_codec import MAX_SENT_BYTES
from trenova.config import MIB, SecuritySettings, Settings
from trenova.dev.temporal import Temporal
from trenova.errors import Unavailable
from trenova.ingest import GroupCommit, Spool, SpooledBatch, breaker, wait_until_stored
from trenova.ingest.start import Parcel, parcel_of
from trenova.keys.encryption import generate_key
from trenova.keys.loading import load_keyring
from trenova.runtime.connection import connect
from trenova.store import Store


@pytest.fixture
async def proxy(temporal: Temporal) -> AsyncIterator[LossyProxy]:
    host, _, port = temporal.address.rpartition(":")
    async with LossyProxy(host, int(port)).running() as running:
        yield running


@pytest.fixture
async def far_client(proxy: LossyProxy, settings: Settings) -> Client:
    """A client that reaches Temporal through the proxy, connected."""
    far = settings.temporal.model_copy(update={"host_port": proxy.address})
    client = await connect(far, converter())
    assert await client.service_client.check_health()
    return client


def contents(folder: Path) -> dict[Path, bytes]:
    return {each: each.read_bytes() for each in folder.iterdir()}


def waiting_in(folder: Path) -> list[Path]:
    return list(folder.glob("*.batch"))


async def wait_until_unreachable(commit: GroupCommit) -> None:
    commit.breaker.doubt()
    async with asyncio.timeout(GENEROUS_S):
        await commit.breaker.unreachable.wait()


async def wait_until_reachable(commit: GroupCommit) -> None:
    async with asyncio.timeout(GENEROUS_S):
        await commit.breaker.reachable.wait()


@pytest.mark.parametrize("mode", ["refuse", "lose requests", "lose answers"])
async def test_while_temporal_is_unreachable_requests_fail_at_once_and_succeed_once_it_is_available_again(
    proxy: LossyProxy, far_client: Client, mode: str
) -> None:
    commit = GroupCommit(far_client)
    async with commit.running():
        proxy.mode = mode  # type: ignore[assignment]
        if mode == "refuse":
            proxy.cut()
        # One batch is in flight and keeps trying; requests that wait for a batch fail as soon as the outage is known.
        first = asyncio.create_task(commit.add(entries(new_tenant(), 1)))
        await asyncio.sleep(0)
        waiting = [asyncio.create_task(commit.add(entries(new_tenant(), 1))) for _ in range(50)]
        async with asyncio.timeout(GENEROUS_S):
            errors = await asyncio.gather(*waiting, return_exceptions=True)
            assert {each.effect for each in errors if isinstance(each, Unavailable)} == {"nothing"}
            assert all(isinstance(each, Unavailable) for each in errors)
            assert commit.breaker.unreachable.is_set()
            # If each waited for a call, this would take an hour.
            for _ in range(1000):
                with pytest.raises(Unavailable, match="Temporal is unreachable") as caught:
                    await commit.add(entries(new_tenant(), 1))
                assert caught.value.retry_after_s >= 1
        assert commit.queue.waiting_bytes == 0
        assert len(commit.waiters) <= 1
        proxy.mode = "pass"
        proxy.cut()
        await wait_until_reachable(commit)
        await commit.add(entries(new_tenant(), 1))
        await asyncio.gather(first, return_exceptions=True)
        assert (commit.queue.waiting_bytes, commit.waiters) == (0, {})


async def test_one_slow_start_fails_no_other_request(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "DOUBT_AFTER_S", 0)
    monkeypatch.setattr(breaker, "PROBE_TIMEOUT", timedelta(seconds=GENEROUS_S))
    commit = GroupCommit(client)
    async with commit.running():
        finished = asyncio.Event()
        slow = asyncio.create_task(commit.breaker.run_start(finished.wait))
        async with asyncio.timeout(GENEROUS_S):
            while commit.breaker.probing is None:  # noqa: ASYNC110 - there is no event for a doubt
                await asyncio.sleep(0)
            await commit.breaker.probing
        assert not commit.breaker.unreachable.is_set()
        await commit.add(entries(new_tenant(), 1))
        finished.set()
        assert await slow


async def test_there_is_a_single_probe_however_many_requests_raise_a_doubt(
    proxy: LossyProxy, far_client: Client
) -> None:
    commit = GroupCommit(far_client)
    async with commit.running():
        proxy.mode = "refuse"
        proxy.cut()
        await wait_until_unreachable(commit)
        probing = commit.breaker.probing
        for _ in range(100):
            commit.breaker.doubt()
        assert commit.breaker.probing is probing
        proxy.mode = "pass"
        await wait_until_reachable(commit)
        assert commit.breaker.probing is None


async def test_spooled_batches_are_delivered_automatically_and_later_ones_go_to_temporal_directly(
    proxy: LossyProxy, far_client: Client, worker: None, store: Store, tmp_path: Path
) -> None:
    drained: list[int] = []
    with Spool.open(tmp_path, 8 * MIB) as spool:
        commit = GroupCommit(far_client, spool, on_drained=drained.append)
        async with commit.running(), asyncio.timeout(GENEROUS_S):
            proxy.mode = "refuse"
            proxy.cut()
            tenant = new_tenant()
            answers = await asyncio.gather(*(commit.add(entries(tenant, 2)) for _ in range(30)))
            batches = {placed.batch.batch_id for answer in answers for placed in answer}
            assert all(isinstance(placed.batch, SpooledBatch) for answer in answers for placed in answer)
            assert set(spool.oldest_first()) == batches
            assert not await wait_until_stored(answers[0], GENEROUS_S)
            proxy.mode = "pass"
            await wait_until_reachable(commit)
            (direct,) = await commit.add(entries(tenant, 1))
            assert direct.batch.state == "accepted"
            while await size_of(store, tenant) < 61:  # noqa: ASYNC110 - the database cannot call
                await asyncio.sleep(0.1)
            # Called last, after the file was removed.
            while sum(drained) < 60:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
        assert sum(drained) == 60
        assert spool.used_bytes == 0
        parts = [part for batch in batches for part in await store.batches.find(batch)]
        assert (sum(part.stored for part in parts), sum(part.duplicate for part in parts)) == (60, 0)


async def test_a_batch_whose_answer_was_lost_is_spooled_under_its_id_and_stored_once(
    proxy: LossyProxy, far_client: Client, worker: None, store: Store, tmp_path: Path
) -> None:
    """Temporal has persisted it, but its answer was lost. The spool sends the same batch again."""
    with Spool.open(tmp_path, 8 * MIB) as spool:
        commit = GroupCommit(far_client, spool)
        async with commit.running(), asyncio.timeout(GENEROUS_S):
            tenant = new_tenant()
            proxy.mode = "lose answers"
            (placed,) = await commit.add(entries(tenant, 3))
            assert placed.batch.state == "spooled"
            while await size_of(store, tenant) == 0:  # noqa: ASYNC110 - the database cannot call
                await asyncio.sleep(0.1)
            assert spool.oldest_first() == [placed.batch.batch_id]
            proxy.mode = "pass"
            proxy.cut()
            while spool.filled.is_set():  # noqa: ASYNC110 - there is an event for the opposite only
                await asyncio.sleep(0.05)
        assert await size_of(store, tenant) == 3
        (part,) = await store.batches.find(placed.batch.batch_id)
        assert (part.stored, part.duplicate) == (3, 0)


async def test_a_crash_between_temporals_answer_and_the_removal_of_the_file_duplicates_nothing(
    proxy: LossyProxy, far_client: Client, worker: None, store: Store, tmp_path: Path
) -> None:
    tenant = new_tenant()
    with Spool.open(tmp_path, 8 * MIB) as spool:
        commit = GroupCommit(far_client, spool)
        async with commit.running(), asyncio.timeout(GENEROUS_S):
            proxy.mode = "refuse"
            proxy.cut()
            (placed,) = await commit.add(entries(tenant, 3))
            file = spool.path(placed.batch.batch_id)
            content = file.read_bytes()
            proxy.mode = "pass"
            while await size_of(store, tenant) < 3 or file.exists():  # noqa: ASYNC110 - the database cannot call
                await asyncio.sleep(0.1)
    file.write_bytes(content)  # as such a crash leaves it
    drained: list[int] = []
    with Spool.open(tmp_path, 8 * MIB) as spool:
        commit = GroupCommit(far_client, spool, on_drained=drained.append)
        async with commit.running(), asyncio.timeout(GENEROUS_S):
            while not drained:  # noqa: ASYNC110 - nothing has an event for it
                await asyncio.sleep(0.05)
    assert drained == [3]
    assert await size_of(store, tenant) == 3
    (part,) = await store.batches.find(placed.batch.batch_id)
    assert (part.stored, part.duplicate) == (3, 0)


async def test_a_damaged_file_does_not_stop_the_delivery_of_others(
    proxy: LossyProxy, far_client: Client, worker: None, store: Store, tmp_path: Path
) -> None:
    tenant = new_tenant()
    with Spool.open(tmp_path, 8 * MIB) as spool:
        commit = GroupCommit(far_client, spool)
        async with commit.running(), asyncio.timeout(GENEROUS_S):
            proxy.mode = "refuse"
            proxy.cut()
            for _ in range(3):
                await commit.add(entries(tenant, 1))
            oldest = spool.path(spool.oldest_first()[0])
            os.truncate(oldest, oldest.stat().st_size - 1)
            proxy.mode = "pass"
            while await size_of(store, tenant) < 2 or waiting_in(tmp_path):  # noqa: ASYNC110 - the database cannot call
                await asyncio.sleep(0.1)
        assert spool.damaged == 1
    assert sorted(each.suffix for each in contents(tmp_path)) == ["", ".damaged"]


async def test_a_batch_that_temporal_rejects_stays_and_does_not_stop_the_delivery_of_others(
    client: Client, worker: None, store: Store, tmp_path: Path
) -> None:
    tenant = new_tenant()
    too_large = Payload(metadata={"encoding": b"json/plain"}, data=b" " * 3 * MIB)
    rejected = Parcel(batch_id=str(uuid_utils.uuid7()), entries=1, payload=too_large, fairness=Priority())
    with Spool.open(tmp_path, 8 * MIB) as spool:
        await spool.put(rejected)
        for _ in range(5):
            await spool.put(await parcel_of(client, entries(tenant, 1)))
        commit = GroupCommit(client, spool)
        async with commit.running(), asyncio.timeout(GENEROUS_S):
            while await size_of(store, tenant) < 5 or len(spool.file_bytes) > 1:  # noqa: ASYNC110 - the database cannot call
                await asyncio.sleep(0.1)
        assert (spool.oldest_first(), spool.damaged) == ([rejected.batch_id], 0)


async def test_a_spool_that_cannot_write_acknowledges_nothing(
    proxy: LossyProxy, far_client: Client, tmp_path: Path
) -> None:
    with Spool.open(tmp_path / "spool", 8 * MIB) as spool:
        commit = GroupCommit(far_client, spool)
        async with commit.running(), asyncio.timeout(GENEROUS_S):
            proxy.mode = "refuse"
            proxy.cut()
            await wait_until_unreachable(commit)
            spool.folder.rename(tmp_path / "elsewhere")
            with pytest.raises(Unavailable, match="cannot store the entries"):
                await commit.add(entries(new_tenant(), 1))
            (tmp_path / "elsewhere").rename(spool.folder)
            (placed,) = await commit.add(entries(new_tenant(), 1))
            assert spool.oldest_first() == [placed.batch.batch_id]


async def test_files_of_the_spool_hold_no_plain_text(proxy: LossyProxy, settings: Settings, tmp_path: Path) -> None:
    marker = "marker-in-a-tenants-name"
    proxy.mode = "refuse"
    security = SecuritySettings(enableEncryption=True)
    keyring = load_keyring(security, {"TEMPORAL_ENCRYPTION_KEY": generate_key().text})
    secret = data_converter_for(security, keyring, max_sent_bytes=MAX_SENT_BYTES)
    far = settings.temporal.model_copy(update={"host_port": proxy.address})
    with Spool.open(tmp_path, 8 * MIB) as spool:
        commit = GroupCommit(await connect(far, secret, lazy=True), spool)
        async with commit.running(), asyncio.timeout(GENEROUS_S):
            await commit.add(entries(marker, 1))
            assert len(spool.oldest_first()) == 1
    content = b"".join(contents(tmp_path).values())
    assert b"binary/encrypted" in content
    assert marker.encode() not in content
