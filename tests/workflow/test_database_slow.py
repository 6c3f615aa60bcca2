"""A database that answers late: the quick attempt gives up, the durable one waits."""

import asyncio
import uuid

import msgspec
import psycopg
import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import is_cancelled_exception

from conftest import GENEROUS_S
from examples import bodies
from trenova.config import TASK_QUEUE
from trenova.dev.postgres import Postgres
from trenova.domain.batch import Batch
from trenova.store import Store
from trenova.workflows import ProcessAuditBatchWorkflow

pytestmark = pytest.mark.usefixtures("worker")


async def test_a_batch_that_waits_for_a_lock_is_stored_once_and_a_cancelled_one_is_cancelled(
    client: Client, store: Store, postgres: Postgres, tenant: str
) -> None:
    batches = [
        Batch(batch_id=str(uuid.uuid4()), entries=[msgspec.Raw(each) for each in bodies(tenant, 3)]) for _ in range(2)
    ]
    await store.entries.append("first", bodies(tenant, 1))
    async with await psycopg.AsyncConnection.connect(postgres.owner_url) as holder, asyncio.timeout(GENEROUS_S):
        await holder.execute("SELECT FROM heads WHERE tenant = %s FOR UPDATE", [tenant])
        waiting, cancelled = [
            await client.start_workflow(
                ProcessAuditBatchWorkflow.run, batch, id=f"slow-{batch.batch_id}", task_queue=TASK_QUEUE
            )
            for batch in batches
        ]
        while not (await waiting.describe()).raw_description.pending_activities:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.1)
        await cancelled.cancel()
        # While the lock is held: once it is free, the batch may be stored before the cancellation arrives.
        with pytest.raises(WorkflowFailureError) as failure:
            await cancelled.result()
    assert is_cancelled_exception(failure.value.cause)
    result = await waiting.result()
    assert (result.stored, result.duplicate) == (3, 0)
