"""Which workers the doctor counts as running, and which it blames for a wrong key, from what Temporal lists."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio import workflow
from temporalio.api.enums.v1 import EventType, WorkerStatus
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.worker.v1 import WorkerHeartbeat, WorkerInfo
from temporalio.api.workflowservice.v1 import ListWorkersRequest, ListWorkersResponse
from temporalio.client import Client
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

from conftest import GENEROUS_S
from trenova.codec.compose import data_converter_for
from trenova.config import TASK_QUEUE, SecuritySettings
from trenova.dev.temporal import Temporal
from trenova.doctor import keys, queue
from trenova.doctor.context import CheckContext
from trenova.doctor.finding import State, Verdict
from trenova.doctor.worker_queries import WorkerQueries
from trenova.domain.batch import BATCH_WORKFLOW
from trenova.keys.encryption import generate_key
from trenova.keys.loading import load_keyring
from waiting import becomes, eventually

RUNNING, SHUTDOWN = WorkerStatus.WORKER_STATUS_RUNNING, WorkerStatus.WORKER_STATUS_SHUTDOWN
IN_A_CONTAINER = "1@host"
KEYS = {name: generate_key().text for name in ("old", "new")}


@workflow.defn(name=BATCH_WORKFLOW, sandboxed=False)
class Batch:
    @workflow.run
    async def run(self, text: str = "") -> str:
        return text


@pytest.fixture
async def server(folder: Path) -> AsyncIterator[Temporal]:
    """A server for one test: the workers that poll it must be known."""
    async with Temporal(folder / f"workers-{uuid.uuid4().hex[:8]}").running() as temporal:
        yield temporal


async def process(server: Temporal, *key_ids: str, identity: str = IN_A_CONTAINER) -> Client:
    """A client as in another process; it encrypts with the last of the keys."""
    runtime = Runtime(telemetry=TelemetryConfig(), worker_heartbeat_interval=timedelta(seconds=1))
    security = SecuritySettings(enableEncryption=bool(key_ids), encryptionKeyID=key_ids[-1] if key_ids else "default")
    ring = load_keyring(security, {f"TEMPORAL_ENCRYPTION_KEY_{name}": KEYS[name] for name in key_ids})
    converter = data_converter_for(security, ring)
    return await Client.connect(server.address, identity=identity, runtime=runtime, data_converter=converter)


@asynccontextmanager
async def working(client: Client) -> AsyncIterator[None]:
    async with Worker(client, task_queue=TASK_QUEUE, workflows=[Batch]):
        yield


def context_with(client: Client) -> CheckContext:
    return cast("CheckContext", SimpleNamespace(client=client, workers=WorkerQueries(client)))


async def is_polling(client: Client) -> bool:
    return IN_A_CONTAINER in (await queue.list_pollers(context_with(client)))["workflow"]


async def wait_until_listed(client: Client, statuses: list[WorkerStatus.ValueType]) -> None:
    async with asyncio.timeout(GENEROUS_S):
        while sorted(beat.status for beat in await queue.list_heartbeats(client)) != statuses:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_a_restarted_worker_with_the_identity_of_its_predecessor_counts_as_polling(server: Temporal) -> None:
    doctor = await process(server, identity="doctor")
    stopping = WorkerStatus.WORKER_STATUS_SHUTTING_DOWN
    async with working(await process(server)):
        await wait_until_listed(doctor, [RUNNING])
    await wait_until_listed(doctor, [stopping])
    assert not await is_polling(doctor)
    async with working(await process(server)):
        await wait_until_listed(doctor, [RUNNING, stopping])
        await becomes(lambda: is_polling(doctor))
    await wait_until_listed(doctor, [stopping, stopping])
    assert not await is_polling(doctor)


def beat(identity: str, status: WorkerStatus.ValueType, began: int = 0) -> WorkerHeartbeat:
    made = WorkerHeartbeat(worker_identity=identity, status=status)
    made.start_time.FromSeconds(began)
    return made


class Pages:
    """A service that lists one worker a page; the last page may fail."""

    def __init__(self, beats: list[WorkerHeartbeat], *, fails: bool = False) -> None:
        self.beats, self.fails = beats, fails

    async def list_workers(self, request: ListWorkersRequest) -> ListWorkersResponse:
        at = int(request.next_page_token or b"0")
        is_last = at == len(self.beats) - 1
        if is_last and self.fails:
            raise RPCError("away", RPCStatusCode.UNAVAILABLE, b"")
        token = b"" if is_last else str(at + 1).encode()
        return ListWorkersResponse(workers_info=[WorkerInfo(worker_heartbeat=self.beats[at])], next_page_token=token)


async def test_every_page_of_workers_counts_and_an_incomplete_list_shows_no_stopped_worker() -> None:
    beats = [beat("1@a", SHUTDOWN, 1), beat("1@b", SHUTDOWN), beat("1@c", SHUTDOWN), beat("1@a", RUNNING, 2)]

    async def list_heartbeats(*, fails: bool) -> list[WorkerHeartbeat]:
        client: Any = SimpleNamespace(namespace="default", workflow_service=Pages(beats, fails=fails))
        return await queue.list_heartbeats(client)

    assert queue.stopped_identities(await list_heartbeats(fails=False)) == {"1@b", "1@c"}
    assert queue.start_times(beats)["1@a"] == datetime.fromtimestamp(2, UTC)
    assert await list_heartbeats(fails=True) == []


def failed_task(identity: str, at: int) -> HistoryEvent:
    event = HistoryEvent(event_type=EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED)
    event.event_time.FromSeconds(at)
    task = event.workflow_task_failed_event_attributes
    task.identity, task.failure.application_failure_info.type = identity, "EncryptionKeyNotFound"
    return event


def test_a_worker_is_not_blamed_for_failures_of_an_earlier_worker_with_its_identity() -> None:
    began = {"1@a": datetime.fromtimestamp(10, UTC)}
    assert keys.key_failures([failed_task("1@a", 9)], "batch", began) == {}
    assert keys.key_failures([failed_task("1@b", 11)], "batch", began) == {}
    assert keys.key_failures([failed_task("1@a", 11)], "batch", began) == {"1@a": "does not have the key of batch"}


async def test_no_worker_is_blamed_for_a_batch_whose_key_was_dropped_everywhere(server: Temporal) -> None:
    old = await process(server, "old")
    async with working(old):
        await old.execute_workflow(Batch.run, "x", id="batch", task_queue=TASK_QUEUE)

    async def check_with(*key_ids: str) -> Verdict:
        context = context_with(await process(server, *key_ids, identity="doctor"))
        await eventually(
            lambda: WorkerQueries(context.client).answers(), lambda answers: answers is not None and answers.failures
        )
        return await keys.check_worker_keys(context)

    async with working(await process(server, "new")):
        assert (await check_with("new")).state is State.OK
        # If the key is configured here, it is the worker that lacks it.
        kept = await check_with("old", "new")
        assert kept.state is State.FAILED
        assert kept.cause.startswith("keys differ: a worker does not have the key of batch")
