"""A database that is away is waited for: nothing that was accepted is given up."""

import asyncio
import uuid
from pathlib import Path

import msgspec
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from conftest import GENEROUS_S
from examples import SIGNER, bodies
from trenova.activities import AuditActivities
from trenova.dev import schema
from trenova.dev.postgres import Postgres
from trenova.domain.batch import Batch, BatchResult
from trenova.store import Store
from trenova.workflows import ProcessAuditBatchWorkflow


async def failed_attempts(handle: WorkflowHandle[ProcessAuditBatchWorkflow, BatchResult]) -> tuple[int, str]:
    """How many attempts at storing have failed, and with what message the last did."""
    description = await handle.describe()
    assert description.status is WorkflowExecutionStatus.RUNNING
    for pending in description.raw_description.pending_activities:
        return pending.attempt - 1, pending.last_failure.message
    return 0, ""


async def test_a_workflow_waits_for_its_database_and_stores_the_batch_when_it_is_back(
    client: Client, sandbox: SandboxedWorkflowRunner, folder: Path, tenant: str
) -> None:
    place, queue = folder / "away", f"away-{uuid.uuid4()}"
    async with Postgres(place).running() as postgres:
        await schema.prepare(postgres)
        port = postgres.port
    batch = Batch(batch_id=str(uuid.uuid4()), entries=[msgspec.Raw(each) for each in bodies(tenant, 5)])
    async with (
        Store.open(postgres.app_url, signer=SIGNER) as store,
        Worker(
            client,
            task_queue=queue,
            workflows=[ProcessAuditBatchWorkflow],
            activities=[AuditActivities(store.entries).store_batch],
            workflow_runner=sandbox,
        ),
        asyncio.timeout(GENEROUS_S),
    ):
        handle = await client.start_workflow(ProcessAuditBatchWorkflow.run, batch, id=queue, task_queue=queue)
        while (failed := await failed_attempts(handle))[0] < 2:  # noqa: ASYNC110 - Temporal has no event for it
            await asyncio.sleep(0.1)
        assert failed[1].startswith("the database is away: ")
        async with Postgres(place, port=port).running():
            result = await handle.result()
            assert (result.stored, result.duplicate) == (5, 0)
            # What an attempt had stored whose answer was lost, the next one finds.
            assert await store.entries.append(batch.batch_id, [bytes(each) for each in batch.entries]) == result
