"""Which keys open workflows need, asked of a real Temporal server."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError
from temporalio.worker import Worker

from conftest import GENEROUS_S
from trenova.codec.compose import data_converter_for
from trenova.codec.key_usage.open_workflows import PLAIN, OpenWorkflows, examine_open_workflows, read_history
from trenova.config import TASK_QUEUE, SecuritySettings
from trenova.dev.temporal import Temporal
from trenova.keys.encryption import generate_key
from trenova.keys.loading import load_keyring
from waiting import eventually

OLD, NEW = generate_key().text, generate_key().text


@activity.defn(name="wait")
async def wait_for_ever(text: str) -> None:
    await asyncio.Event().wait()


@workflow.defn(sandboxed=False)
class Waiting:
    @workflow.run
    async def run(self, text: str) -> None:
        await workflow.execute_activity(wait_for_ever, text, start_to_close_timeout=timedelta(hours=1))


@pytest.fixture
async def server(folder: Path) -> AsyncIterator[Temporal]:
    """One of its own: open workflows are all that matters here."""
    async with Temporal(folder / f"inflight-{uuid.uuid4().hex[:8]}").running() as temporal:
        yield temporal


async def connect_with_keys(server: Temporal, encrypting: str | None, **keys: str) -> Client:
    security = SecuritySettings(enableEncryption=encrypting is not None, encryptionKeyID=encrypting or "default")
    keyring = load_keyring(security, {f"TEMPORAL_ENCRYPTION_KEY_{name}": text for name, text in keys.items()})
    return await Client.connect(server.address, data_converter=data_converter_for(security, keyring))


async def start(client: Client, queue: str = TASK_QUEUE) -> WorkflowHandle[Waiting, None]:
    return await client.start_workflow(Waiting.run, "x", id=str(uuid.uuid4()), task_queue=queue)


async def wait_until_listed(client: Client, count: int, most: int = 100) -> OpenWorkflows:
    """What is open, once Temporal lists so many; its list is a moment behind."""
    return await eventually(lambda: examine_open_workflows(client, most=most), lambda work: work.looked_at == count)


async def test_open_workflows_are_counted_by_the_key_of_their_input(server: Temporal) -> None:
    both = await connect_with_keys(server, "old", old=OLD, new=NEW)
    assert await examine_open_workflows(both) == OpenWorkflows(key_ids={})
    for client in (both, both, await connect_with_keys(server, "new", new=NEW), await connect_with_keys(server, None)):
        await start(client)
    work = await wait_until_listed(both, 4)
    assert work.key_ids == {"old": 2, "new": 1, PLAIN: 1}
    assert work.unreadable == {}
    assert work.complete


async def test_missing_and_wrong_keys_are_reported(server: Temporal) -> None:
    for client in (await connect_with_keys(server, "old", old=OLD), await connect_with_keys(server, "new", new=NEW)):
        await start(client)
    work = await wait_until_listed(await connect_with_keys(server, "new", new=OLD), 2)
    assert work.unreadable == {
        "old": "encryption key not found for ID: old",
        "new": "decryption failed with the key ID: new",
    }


async def test_the_key_of_a_misconfigured_worker_is_not_needed(server: Temporal) -> None:
    right, wrong = await connect_with_keys(server, "old", old=OLD), await connect_with_keys(server, "old", old=NEW)
    handle = await start(right)
    async with Worker(wrong, task_queue=TASK_QUEUE, workflows=[Waiting], activities=[wait_for_ever]):
        async with asyncio.timeout(GENEROUS_S):
            await reaches(handle, EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED)
    work = await wait_until_listed(right, 1)
    assert work.key_ids == {"old": 1}
    assert work.unreadable == {}


async def reaches(handle: WorkflowHandle[Waiting, None], kind: EventType.ValueType) -> None:
    """Return once the history has such an event."""
    async for event in handle.fetch_history_events(wait_new_event=True):
        if event.event_type == kind:
            return
    pytest.fail("the workflow has ended")


async def test_a_key_that_only_the_worker_used_is_needed_too(server: Temporal) -> None:
    """A sender has changed to the new key already, its worker not yet, and the activity waits for hours."""
    sender = await connect_with_keys(server, "new", old=OLD, new=NEW)
    slow = await connect_with_keys(server, "old", old=OLD, new=NEW)
    async with Worker(slow, task_queue=TASK_QUEUE, workflows=[Waiting], activities=[wait_for_ever]):
        handle = await start(sender)
        await eventually(lambda: wait_until_listed(sender, 1), lambda work: work.key_ids == {"old": 1, "new": 1})
        await handle.terminate()


async def test_other_queues_of_the_namespace_are_ignored(server: Temporal) -> None:
    await start(await connect_with_keys(server, "theirs", theirs=generate_key().text), "their-queue")
    ours = await connect_with_keys(server, "old", old=OLD)
    await start(ours)
    work = await wait_until_listed(ours, 1)
    assert work.key_ids == {"old": 1}


async def test_an_incomplete_scan_is_reported(server: Temporal) -> None:
    ours = await connect_with_keys(server, "old", old=OLD)
    for _ in range(3):
        await start(ours)
    await wait_until_listed(ours, 3)
    work = await examine_open_workflows(ours, most=2)
    assert (work.looked_at, work.complete) == (2, False)


async def test_the_scan_can_be_limited_to_earlier_workflows(server: Temporal) -> None:
    ours = await connect_with_keys(server, "old", old=OLD)
    await start(ours)
    await wait_until_listed(ours, 1)
    now = datetime.now(UTC)
    assert (await examine_open_workflows(ours, started_before=now + timedelta(minutes=1))).looked_at == 1
    assert (await examine_open_workflows(ours, started_before=now - timedelta(minutes=1))).looked_at == 0


@activity.defn(name="wait")
async def beats(text: str) -> None:
    activity.heartbeat("so far")
    await asyncio.Event().wait()


async def test_a_key_that_only_a_heartbeat_needs_is_needed_by_the_next_attempt(server: Temporal) -> None:
    """The worker that beats has the old key still, and the one that scheduled the activity the new one."""
    sender, slow = (
        await connect_with_keys(server, "new", old=OLD, new=NEW),
        await connect_with_keys(server, "old", old=OLD, new=NEW),
    )
    async with Worker(sender, task_queue=TASK_QUEUE, workflows=[Waiting]):
        handle = await start(sender)
        async with asyncio.timeout(GENEROUS_S):
            await reaches(handle, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
    async with Worker(slow, task_queue=TASK_QUEUE, activities=[beats]):
        await eventually(lambda: wait_until_listed(sender, 1), lambda work: work.key_ids == {"old": 1, "new": 1})
        await handle.terminate()


async def test_an_unreachable_temporal_is_not_mistaken_for_a_workflow_without_payloads(folder: Path) -> None:
    async with Temporal(folder / f"inflight-{uuid.uuid4().hex[:8]}").running() as temporal:
        client = await connect_with_keys(temporal, "old", old=OLD)
        assert await read_history(client, "never-was", str(uuid.uuid4())) == ([], True)
    with pytest.raises(RPCError):
        await read_history(client, "never-was", str(uuid.uuid4()))
