"""What a real Temporal server keeps: with encryption on, nothing that a payload holds can be read in its history."""

import asyncio
import base64
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.converter import DataConverter
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from conftest import GENEROUS_S, replayer
from trenova.codec.compose import data_converter_for
from trenova.config import SecuritySettings
from trenova.dev.temporal import Temporal
from trenova.keys.encryption import generate_key
from trenova.keys.loading import load_keyring

SECRET = "ssn 123-45-6789"
KEY = generate_key().text
STRICT = SecuritySettings(enableEncryption=True, requireEncryption=True, compressionThreshold=64)

# This module, with its Structs, is taken as it is; importing it again in the sandbox would import `cryptography` there.
SANDBOX = SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(__name__))


class Order(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    fails: bool = False


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    resumed_from: str


@activity.defn
async def ship(order: Order) -> Outcome:
    if activity.info().attempt == 1:
        activity.heartbeat(SECRET)
        raise RuntimeError(f"first attempt fails: {SECRET}")
    if order.fails:
        raise ApplicationError(f"cannot ship {SECRET}", {"why": SECRET}, type="CannotShip", non_retryable=True)
    return Outcome(name=order.name, resumed_from=activity.info().heartbeat_details[0])


@workflow.defn
class ShipWorkflow:
    @workflow.run
    async def run(self, order: Order) -> Outcome:
        return await workflow.execute_activity(
            ship,
            order,
            start_to_close_timeout=timedelta(seconds=GENEROUS_S),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=10)),
        )


def converter(key: str = KEY, security: SecuritySettings = STRICT) -> DataConverter:
    return data_converter_for(security, load_keyring(security, {"TEMPORAL_ENCRYPTION_KEY": key}))


@pytest.fixture(scope="module")
async def server(folder: Path) -> AsyncIterator[Temporal]:
    async with Temporal(folder / f"codec-{uuid.uuid4().hex[:8]}").running() as temporal:
        yield temporal


@pytest.fixture
def queue() -> str:
    return f"codec-{uuid.uuid4()}"


async def client(server: Temporal, data_converter: DataConverter) -> Client:
    return await Client.connect(server.address, data_converter=data_converter)


def worker(of: Client, queue: str) -> Worker:
    return Worker(of, task_queue=queue, workflows=[ShipWorkflow], activities=[ship], workflow_runner=SANDBOX)


def payloads_in(value: object) -> Iterator[Payload]:
    """Every payload anywhere in a protobuf-JSON history."""
    if isinstance(value, dict):
        if "metadata" in value and "encoding" in (value["metadata"] or {}):
            yield Payload(metadata={k: base64.b64decode(v) for k, v in value["metadata"].items()})
        for item in value.values():
            yield from payloads_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from payloads_in(item)


async def history_of(handle: WorkflowHandle[ShipWorkflow, Outcome]) -> str:
    return (await handle.fetch_history()).to_json()


async def test_inputs_results_heartbeats_memos_and_failures_are_unreadable_in_the_history(
    server: Temporal, queue: str
) -> None:
    ours = await client(server, converter())
    async with worker(ours, queue):
        for fails in (False, True):
            order = Order(name=SECRET * 20, fails=fails)
            handle = await ours.start_workflow(
                ShipWorkflow.run, order, id=str(uuid.uuid4()), task_queue=queue, memo={"note": SECRET}
            )
            if fails:
                with pytest.raises(WorkflowFailureError) as caught:
                    await handle.result()
                assert isinstance(caught.value.cause, ActivityError)
                assert isinstance(caught.value.cause.cause, ApplicationError)
                assert SECRET in str(caught.value.cause.cause)
            else:
                outcome = await handle.result()
                # The second attempt saw the heartbeat that the first one had left.
                assert outcome == Outcome(name=order.name, resumed_from=SECRET)
            assert await (await handle.describe()).memo_value("note") == SECRET
            text = await history_of(handle)
            history = json.loads(text)
            found = list(payloads_in(history))
            assert len(found) >= 4
            assert {payload.metadata["encoding"] for payload in found} == {b"binary/encrypted"}
            assert SECRET not in text
            assert base64.b64encode(SECRET.encode()).decode()[:-4] not in text
            # In the failed one as its end, in the other as the reason of the second attempt.
            assert "Encoded failure" in text
            await replayer([ShipWorkflow], SANDBOX, converter()).replay_workflow(await handle.fetch_history())


async def test_a_plain_start_is_refused_in_strict_mode_and_the_history_gives_the_reason(
    server: Temporal, queue: str
) -> None:
    plain = await client(server, converter(security=SecuritySettings(enableCompression=False)))
    ours = await client(server, converter())
    async with worker(ours, queue):
        handle = await plain.start_workflow(ShipWorkflow.run, Order(name="x"), id=str(uuid.uuid4()), task_queue=queue)
        cause = await first_task_failure(ours, handle)
        assert "is not encrypted (encoding: json/plain), and requireEncryption is on" in cause
        assert "turn enableEncryption on there" in cause
        await handle.terminate()


async def test_nothing_is_lost_under_a_wrong_key_and_the_right_one_finishes_the_work(
    server: Temporal, queue: str
) -> None:
    ours = await client(server, converter())
    handle = await ours.start_workflow(ShipWorkflow.run, Order(name="x"), id=str(uuid.uuid4()), task_queue=queue)
    wrong = await client(server, converter(generate_key().text))
    async with worker(wrong, queue):
        cause = await first_task_failure(wrong, handle)
        assert "decryption failed with the key ID: default" in cause
    assert (await handle.describe()).status == WorkflowExecutionStatus.RUNNING
    async with worker(ours, queue):
        assert (await handle.result()).name == "x"


async def first_task_failure(reader: Client, handle: WorkflowHandle[ShipWorkflow, Outcome]) -> str:
    """The message of the first failed workflow task, decoded as `reader` can."""
    async with asyncio.timeout(GENEROUS_S):
        while True:
            async for event in handle.fetch_history_events():
                if event.HasField("workflow_task_failed_event_attributes"):
                    failure = event.workflow_task_failed_event_attributes.failure
                    error = await reader.data_converter.decode_failure(failure)
                    texts = []
                    cause: BaseException | None = error
                    while cause is not None:
                        texts.append(str(cause))
                        cause = cause.__cause__
                    return " | ".join(texts)
            await asyncio.sleep(0.1)
