"""The workflow that stores a batch, on a real Temporal server and a real PostgreSQL."""

import asyncio
import base64
import json
import re
import uuid
from datetime import timedelta
from typing import Any

import msgspec
import psycopg
import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from conftest import GENEROUS_S, new_tenant
from examples import bodies, body
from trenova.config import TASK_QUEUE
from trenova.domain.batch import Batch, BatchResult, workflow_id
from trenova.ledger import checkpoint, note
from trenova.store import Store
from trenova.workflows import ProcessAuditBatchWorkflow

Owner = psycopg.AsyncConnection[tuple[Any, ...]]
Handle = WorkflowHandle[ProcessAuditBatchWorkflow, BatchResult]

GENEROUS = timedelta(seconds=GENEROUS_S)

pytestmark = pytest.mark.usefixtures("worker")


def batch_of(entries: list[bytes]) -> Batch:
    return Batch(batch_id=str(uuid.uuid4()), entries=[msgspec.Raw(each) for each in entries])


async def start(client: Client, batch: Batch) -> Handle:
    """As the API starts it."""
    return await client.start_workflow(
        ProcessAuditBatchWorkflow.run,
        batch,
        id=workflow_id(batch.batch_id),
        task_queue=TASK_QUEUE,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )


async def stored_bodies(owner: Owner, tenant: str) -> list[bytes]:
    rows = await owner.execute("SELECT body FROM entries WHERE tenant = %s ORDER BY index", [tenant])
    return [bytes(each) for (each,) in await rows.fetchall()]


async def test_without_input_it_completes_with_zero_counts(client: Client) -> None:
    name = f"check-{uuid.uuid4()}"
    result = await client.execute_workflow(
        "ProcessAuditBatchWorkflow", id=name, task_queue="audit-queue", result_type=BatchResult
    )
    assert result == BatchResult(batch_id=name)


@pytest.mark.parametrize("batch", [None, {}, {"entries": []}])
async def test_an_empty_batch_completes_with_zero_counts(client: Client, batch: Any) -> None:
    name = f"check-{uuid.uuid4()}"
    result = await client.execute_workflow("ProcessAuditBatchWorkflow", batch, id=name, task_queue="audit-queue")
    assert result == {"batch_id": name, "stored": 0, "duplicate": 0, "parked": 0, "heads": []}


async def test_a_batch_is_stored_and_counted_with_the_heads_of_its_tenants(
    client: Client, store: Store, owner: Owner
) -> None:
    one, other = sorted((new_tenant(), new_tenant()))
    sent = bodies(one, 3)
    batch = batch_of([*sent, body(other)])
    result = await (await start(client, batch)).result()
    assert (result.batch_id, result.stored, result.duplicate) == (batch.batch_id, 4, 0)
    assert [(head.tenant, head.size) for head in result.heads] == [(one, 3), (other, 1)]
    for head in result.heads:
        signed = await store.ledgers.newest(head.tenant)
        assert signed is not None
        assert checkpoint.parse(note.parse(signed.note).text).root == base64.b64decode(head.root)
    assert await stored_bodies(owner, one) == sent


async def test_the_same_entries_in_another_batch_are_duplicates(client: Client, owner: Owner, tenant: str) -> None:
    sent = bodies(tenant, 3)
    await (await start(client, batch_of(sent))).result()
    result = await (await start(client, batch_of(sent))).result()
    assert (result.stored, result.duplicate) == (0, 3)
    assert [(head.tenant, head.size) for head in result.heads] == [(tenant, 3)]
    assert await stored_bodies(owner, tenant) == sent


async def test_a_batch_without_an_id_gets_that_of_its_workflow(client: Client, tenant: str) -> None:
    name = f"by-hand-{uuid.uuid4()}"
    batch = msgspec.structs.replace(batch_of(bodies(tenant, 1)), batch_id="")
    result = await client.execute_workflow(ProcessAuditBatchWorkflow.run, batch, id=name, task_queue="audit-queue")
    assert (result.batch_id, result.stored) == (name, 1)


async def test_a_repeated_start_finds_the_first_workflow_and_stores_once(
    client: Client, owner: Owner, tenant: str
) -> None:
    batch = batch_of(bodies(tenant, 3))
    handles = await asyncio.gather(*(start(client, batch) for _ in range(3)), return_exceptions=True)
    # A start after the workflow has finished fails with this error, which also means that the batch is accepted.
    running = [handle for handle in handles if not isinstance(handle, WorkflowAlreadyStartedError)]
    assert running
    for handle in running:
        assert not isinstance(handle, BaseException)
        assert (await handle.result()).stored == 3
    with pytest.raises(WorkflowAlreadyStartedError):
        await start(client, batch)
    assert await stored_bodies(owner, tenant) == [bytes(each) for each in batch.entries]


HARD = {
    "unicode": "Grüße, 世界 🌍 \u2028 \x7f",
    "escapes": 'quote " backslash \\ slash / tab \t',
    "markup": "</script>&amp;",
    "numbers": [1.0, 1, -0.0, 1e300, 5e-324, 0.1, 2**64 - 1, -(2**63)],
    "empty": [{}, [], "", None],
}


async def test_the_bytes_in_postgresql_are_the_bytes_that_were_sealed(
    client: Client, store: Store, owner: Owner, tenant: str
) -> None:
    canonical = body(tenant, metadata=HARD)
    # Not sealed, so it is parked; and nothing on the way may normalise its bytes.
    unusual = json.dumps(json.loads(body(tenant, metadata=HARD)), indent=2).encode()
    result = await (await start(client, batch_of([canonical, unusual]))).result()
    assert (result.stored, result.parked) == (1, 1)
    assert await stored_bodies(owner, tenant) == [canonical]
    (letter,) = await store.dead_letters.page(tenant=tenant, limit=2)
    assert (letter.body, letter.code) == (unusual, "not_sealed")


async def test_an_unsealed_entry_is_parked_and_its_neighbours_are_stored(
    client: Client, owner: Owner, tenant: str
) -> None:
    good = body(tenant)
    result = await (await start(client, batch_of([good, b'{"hello":"world"}']))).result()
    assert (result.stored, result.duplicate, result.parked) == (1, 0, 1)
    assert await stored_bodies(owner, tenant) == [good]


async def test_the_id_of_a_terminated_batch_may_be_used_again(client: Client, owner: Owner, tenant: str) -> None:
    batch = batch_of(bodies(tenant, 2))
    elsewhere = await client.start_workflow(
        ProcessAuditBatchWorkflow.run, batch, id=f"stuck-{batch.batch_id}", task_queue="queue-without-workers"
    )
    await elsewhere.terminate()
    again = await client.execute_workflow(
        ProcessAuditBatchWorkflow.run,
        batch,
        id=elsewhere.id,
        task_queue=TASK_QUEUE,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
    )
    assert again.stored == 2
    assert await stored_bodies(owner, tenant) == [bytes(each) for each in batch.entries]


OTHER_NAMES = {
    "a zero character": "a\0b",
    "an escape of a terminal": "\x1b[2J",
    "a line end": "a\nb",
    "too long": "x" * 900,
    "not in ASCII": "batch \N{SNOWMAN}",
    "another batch's": str(uuid.uuid4()),
}


@pytest.mark.parametrize("case", OTHER_NAMES)
async def test_a_batch_made_by_hand_is_stored_whatever_its_id(
    client: Client, store: Store, tenant: str, case: str
) -> None:
    batch = Batch(batch_id=OTHER_NAMES[case], entries=[msgspec.Raw(body(tenant)), msgspec.Raw(b"{}")])
    name = f"by-hand-{uuid.uuid4()}"
    result = await client.execute_workflow(
        ProcessAuditBatchWorkflow.run, batch, id=name, task_queue=TASK_QUEUE, execution_timeout=GENEROUS
    )
    assert (result.batch_id, result.stored, result.parked) == (name, 1, 1)
    assert len(await store.batches.find(name)) == 1


async def test_a_workflow_id_that_no_column_can_hold_is_replaced_by_its_hash(client: Client, tenant: str) -> None:
    name = f"audit-batch-{uuid.uuid4()} \N{SNOWMAN}\n\x1b[2J"
    result = await client.execute_workflow(
        ProcessAuditBatchWorkflow.run, batch_of([body(tenant)]), id=name, task_queue=TASK_QUEUE
    )
    assert result.stored == 1
    assert re.fullmatch(r"sha256-[0-9a-f]{64}", result.batch_id)


NOT_BATCHES: dict[str, Any] = {
    "a text": "hello",
    "a number": 17,
    "an array": [1, 2],
    "entries that are not a list": {"entries": 17},
    "an id that is a number": {"batch_id": 17, "entries": [{}]},
    "bytes": b"\xff\0",
}


@pytest.mark.parametrize("case", NOT_BATCHES)
async def test_an_input_that_is_not_a_batch_is_parked_as_one_entry(client: Client, store: Store, case: str) -> None:
    name = f"by-hand-{uuid.uuid4()}"
    result = await client.execute_workflow(
        "ProcessAuditBatchWorkflow",
        NOT_BATCHES[case],
        id=name,
        task_queue=TASK_QUEUE,
        result_type=BatchResult,
        execution_timeout=GENEROUS,
    )
    assert (result.stored, result.parked) == (0, 1)
    (letter,) = await store.dead_letters.of_batches([name])
    assert letter.code == "not_sealed"
