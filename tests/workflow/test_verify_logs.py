"""The nightly verification of the ledgers, on a real Temporal server and a real PostgreSQL."""

import asyncio
import json
import uuid
from typing import Any

import psycopg
import pytest
from prometheus_client import generate_latest
from temporalio.client import Client, ScheduleOverlapPolicy, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from conftest import GENEROUS_S, replayer
from contract.store.ledger_check import past_triggers
from examples import bodies
from trenova.api.last_verification import measure_last_verification
from trenova.config import TASK_QUEUE
from trenova.domain.verification import Verification, VerifyRequest
from trenova.store import Store
from trenova.worker import schedules
from trenova.workflows import VERIFY_SCHEDULE, VerifyLogsWorkflow

Owner = psycopg.AsyncConnection[tuple[Any, ...]]

pytestmark = pytest.mark.usefixtures("worker")


async def start(client: Client, tenant: str) -> WorkflowHandle[VerifyLogsWorkflow, Verification]:
    return await client.start_workflow(
        VerifyLogsWorkflow.run, VerifyRequest(tenant=tenant), id=f"verify-{uuid.uuid4()}", task_queue=TASK_QUEUE
    )


async def test_a_sound_ledger_is_counted_and_the_history_can_be_replayed(
    client: Client, store: Store, tenant: str, sandbox: SandboxedWorkflowRunner
) -> None:
    for count in (3, 400):
        await store.entries.append(str(uuid.uuid4()), bodies(tenant, count))
    handle = await start(client, tenant)
    result = await handle.result()
    assert (result.logs, result.entries, result.removed, result.checkpoints) == (1, 403, 0, 2)
    assert (result.damaged, result.places) == (0, [])
    assert result.finished_at is not None
    await replayer([VerifyLogsWorkflow], sandbox, client.data_converter).replay_workflow(await handle.fetch_history())


async def test_damage_fails_the_workflow_with_the_places_and_is_an_error_in_the_workers_log(
    client: Client, store: Store, owner: Owner, tenant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await store.entries.append(str(uuid.uuid4()), bodies(tenant, 10))
    await past_triggers(owner, "UPDATE entries SET actor_id = 'secret' WHERE tenant = %s AND index = 3", tenant)
    handle = await start(client, tenant)
    with pytest.raises(WorkflowFailureError) as failure:
        await handle.result()
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.non_retryable) == ("LogDamaged", True)
    place = f"{tenant}: entry 3: expected actor_id as the body has it, got another"
    assert cause.message == f"damaged places in the ledgers: 1; the first: {place}"
    assert cause.details[0]["places"][0]["place"] == "entry 3"
    logged = capsys.readouterr().out
    assert "ledger damaged" in logged
    assert "entry 3" in logged
    assert "secret" not in logged + json.dumps(cause.details)


async def test_a_missing_ledger_fails_the_workflow_at_once(client: Client, tenant: str) -> None:
    with pytest.raises(WorkflowFailureError) as failure:
        await (await start(client, tenant)).result()
    assert isinstance(failure.value.cause, ActivityError)
    assert isinstance(failure.value.cause.cause, ApplicationError)
    assert failure.value.cause.cause.type == "NotFound"


@pytest.mark.usefixtures("installed_schedules")
async def test_the_nightly_schedule_is_created_once_and_stays_paused_once_an_operator_has_paused_it(
    client: Client,
) -> None:
    handle = client.get_schedule_handle(VERIFY_SCHEDULE)
    await handle.pause(note="moving house")
    await schedules.ensure_schedules(client)
    description = await handle.describe()
    assert description.schedule.state.paused
    assert description.schedule.state.note == "moving house"
    assert description.schedule.policy.overlap == ScheduleOverlapPolicy.SKIP
    (next_time, *_) = description.info.next_action_times
    assert (next_time.hour, next_time.minute) == (3, 0)


@pytest.mark.usefixtures("installed_schedules")
async def test_the_metrics_show_the_result_of_the_last_nightly_verification(
    client: Client, owner: Owner, store: Store, tenant: str
) -> None:
    await store.entries.append(str(uuid.uuid4()), bodies(tenant, 10))
    await past_triggers(owner, "UPDATE entries SET actor_id = 'x' WHERE tenant = %s AND index = 3", tenant)
    schedule = client.get_schedule_handle(VERIFY_SCHEDULE)
    await measure_last_verification(client)
    before = value_of("trenova_verification_finished_timestamp_seconds")
    await schedule.trigger(overlap=ScheduleOverlapPolicy.BUFFER_ONE)
    async with asyncio.timeout(GENEROUS_S):
        while value_of("trenova_verification_finished_timestamp_seconds") == before:
            await asyncio.sleep(0.2)
            await measure_last_verification(client)
    assert value_of("trenova_verification_damaged_places") >= 1


def value_of(metric: str) -> float:
    (line,) = [line for line in generate_latest().decode().splitlines() if line.startswith(f"{metric} ")]
    return float(line.split()[1])
