"""The nightly removal, on a real Temporal server and a real PostgreSQL."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from temporalio.client import Client, ScheduleOverlapPolicy, WorkflowHandle
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from conftest import GENEROUS_S, replayer
from contract.store.test_append_interrupted import hold_head, process_waiting_for
from examples import SIGNER, body
from trenova.config import TASK_QUEUE
from trenova.dev.postgres import Postgres
from trenova.domain.retention import RetentionRequest, RetentionResult
from trenova.store import Store
from trenova.workflows import RETENTION_SCHEDULE, RetentionWorkflow

Owner = psycopg.AsyncConnection[tuple[Any, ...]]

pytestmark = pytest.mark.usefixtures("worker")


async def start(client: Client, tenant: str) -> WorkflowHandle[RetentionWorkflow, RetentionResult]:
    return await client.start_workflow(
        RetentionWorkflow.run, RetentionRequest(tenant=tenant), id=f"retain-{uuid.uuid4()}", task_queue=TASK_QUEUE
    )


@pytest.fixture
async def old(store: Store, postgres: Postgres, tenant: str) -> list[bytes]:
    """1,500 entries of the tenant that are past its retention, in a ledger with two more."""
    received_at = datetime.now(UTC) - timedelta(days=90)
    bodies = [body(tenant, id=str(uuid.uuid4()), received_at=received_at) for _ in range(1500)]
    await store.entries.append(str(uuid.uuid4()), bodies)
    await store.entries.append(str(uuid.uuid4()), [body(tenant, received_at=datetime.now(UTC))])
    async with Store.open(postgres.owner_url, signer=SIGNER) as keeper:
        await keeper.policies.set(tenant, 30, by="ada")
    return bodies


async def count_left(owner: Owner, tenant: str) -> tuple[int, int]:
    """Entries with content, and removals."""
    rows = await owner.execute(
        "SELECT (SELECT count(*) FROM entries WHERE tenant = %(t)s AND body IS NOT NULL),"
        " (SELECT count(*) FROM removals WHERE tenant = %(t)s)",
        {"t": tenant},
    )
    ((entries, removals),) = await rows.fetchall()
    return entries, removals


async def test_content_past_its_retention_is_removed_and_the_history_can_be_replayed(
    client: Client, owner: Owner, tenant: str, old: list[bytes], sandbox: SandboxedWorkflowRunner
) -> None:
    handle = await start(client, tenant)
    result = await handle.result()
    assert (result.logs, result.entries, result.bytes) == (1, 1500, sum(map(len, old)))
    assert result.finished_at is not None
    assert await count_left(owner, tenant) == (4, 2)
    await replayer([RetentionWorkflow], sandbox, client.data_converter).replay_workflow(await handle.fetch_history())


@pytest.mark.usefixtures("old")
async def test_after_an_attempt_loses_its_database_the_next_one_does_the_rest(
    client: Client, postgres: Postgres, owner: Owner, tenant: str
) -> None:
    async with hold_head(postgres, owner, tenant) as holder:
        handle = await start(client, tenant)
        await owner.execute("SELECT pg_terminate_backend(%s)", [await process_waiting_for(owner, holder)])
    assert (await handle.result()).entries == 1500
    assert await count_left(owner, tenant) == (4, 2)


@pytest.mark.usefixtures("old")
async def test_a_second_removal_frees_its_slot_for_batches_and_waits(
    client: Client, postgres: Postgres, owner: Owner, tenant: str
) -> None:
    async with hold_head(postgres, owner, tenant) as holder:
        first = await start(client, tenant)
        await process_waiting_for(owner, holder)
        second = await start(client, tenant)
        async with asyncio.timeout(GENEROUS_S):
            while "another activity of this kind is running" not in await last_failure(second):  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.1)
    assert [(await each.result()).entries for each in (first, second)] == [1500, 0]


async def last_failure(handle: WorkflowHandle[RetentionWorkflow, RetentionResult]) -> str:
    pending = (await handle.describe()).raw_description.pending_activities
    return "".join(each.last_failure.message for each in pending)


async def test_a_ledger_without_a_policy_is_skipped(client: Client, tenant: str) -> None:
    result = await (await start(client, tenant)).result()
    assert (result.logs, result.entries, result.bytes) == (0, 0, 0)


@pytest.mark.usefixtures("old", "installed_schedules")
async def test_the_schedule_removes_at_two_with_one_run_at_a_time(client: Client, owner: Owner, tenant: str) -> None:
    handle = client.get_schedule_handle(RETENTION_SCHEDULE)
    description = await handle.describe()
    assert description.schedule.policy.overlap == ScheduleOverlapPolicy.SKIP
    (next_time, *_) = description.info.next_action_times
    assert (next_time.hour, next_time.minute) == (2, 0)
    await handle.trigger(overlap=ScheduleOverlapPolicy.BUFFER_ONE)
    async with asyncio.timeout(GENEROUS_S):
        while (await count_left(owner, tenant))[0] > 4:  # noqa: ASYNC110 - PostgreSQL has no event for it
            await asyncio.sleep(0.2)
