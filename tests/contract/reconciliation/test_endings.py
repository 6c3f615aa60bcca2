"""However the workflow of an accepted batch was closed, its entries are stored once from its history."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

import foreign_worker
from contract.reconciliation.conftest import Handle, Site
from examples import bodies

End = Callable[[Site, Handle], Awaitable[list[str | None]]]


async def terminate_run(_: Site, handle: Handle) -> list[str | None]:
    await handle.terminate()
    return [handle.first_execution_run_id]


async def cancel_run(site: Site, handle: Handle) -> list[str | None]:
    await handle.cancel()
    await foreign_worker.answer_task(site.client, foreign_worker.CANCEL)
    return [handle.first_execution_run_id]


async def fail_run(site: Site, handle: Handle) -> list[str | None]:
    await foreign_worker.answer_task(site.client, foreign_worker.FAIL)
    return [handle.first_execution_run_id]


async def complete_by_foreign_worker(site: Site, handle: Handle) -> list[str | None]:
    await foreign_worker.answer_task(site.client, foreign_worker.COMPLETE)
    return [handle.first_execution_run_id]


async def continue_as_new_by_foreign_worker(site: Site, handle: Handle) -> list[str | None]:
    await foreign_worker.answer_task(site.client, foreign_worker.CONTINUE)
    task = await foreign_worker.answer_task(site.client, foreign_worker.COMPLETE)
    return [handle.first_execution_run_id, task.workflow_execution.run_id]


async def reset_and_terminate(site: Site, handle: Handle) -> list[str | None]:
    await foreign_worker.answer_task(site.client, foreign_worker.COMPLETE)
    run_id = await foreign_worker.reset(site.client, handle.id, str(handle.first_execution_run_id))
    await site.client.get_workflow_handle(handle.id, run_id=run_id).terminate()
    return [handle.first_execution_run_id, run_id]


async def reset_and_leave_open(site: Site, handle: Handle) -> list[str | None]:
    await foreign_worker.answer_task(site.client, foreign_worker.COMPLETE)
    await foreign_worker.reset(site.client, handle.id, str(handle.first_execution_run_id))
    return [handle.first_execution_run_id]


async def signal_and_terminate(_: Site, handle: Handle) -> list[str | None]:
    for number in range(3):
        await handle.signal("anything", number)
    await handle.terminate()
    return [handle.first_execution_run_id]


async def start_again_without_input(site: Site, handle: Handle) -> list[str | None]:
    """The terminated run is no longer the latest one of its id, and the latest one completes like any other."""
    await handle.terminate()
    again = await site.client.start_workflow("ProcessAuditBatchWorkflow", id=handle.id, task_queue="audit-queue")
    async with site.worker():
        await again.result()
    return [handle.first_execution_run_id, again.first_execution_run_id]


@pytest.mark.parametrize(
    "end",
    [
        terminate_run,
        cancel_run,
        fail_run,
        complete_by_foreign_worker,
        continue_as_new_by_foreign_worker,
        reset_and_terminate,
        reset_and_leave_open,
        signal_and_terminate,
        start_again_without_input,
    ],
)
async def test_a_batch_whose_workflow_ended_without_storing_it_is_stored_once(
    site: Site, tenant: str, end: End
) -> None:
    sent = bodies(tenant, 3)
    handle = await site.accept(sent)
    await site.wait_until_listed(*await end(site, handle))
    assert await site.stored_bodies(tenant) == []

    done = await site.reconcile()
    assert (done.batches, done.stored, done.parked, done.missing, done.foreign) == (1, 3, 0, 0, 0)
    assert done.finished_at is not None
    assert await site.stored_bodies(tenant) == sent
    (part,) = await site.store.batches.find(handle.id.removeprefix("audit-batch-"))
    assert (part.stored, part.duplicate) == (3, 0)

    again = await site.reconcile()
    assert (again.batches, again.missing) == (0, 0)
    assert again.runs == done.runs
    # The worker, which runs what is still open, stores nothing twice either.
    async with site.worker():
        await site.client.get_workflow_handle(handle.id).describe()
        assert await site.stored_bodies(tenant) == sent
    found = await site.store.reconciliation.list_recovered(done.finished_at - timedelta(hours=1), 100)
    assert handle.id in {run.workflow_id for run in found}


async def test_a_run_that_timed_out_is_recovered_like_any_other(site: Site, tenant: str) -> None:
    sent = bodies(tenant, 1)
    handle = await site.accept(sent, run_timeout=timedelta(seconds=1))
    await site.wait_until_listed(handle.first_execution_run_id)
    assert (await site.reconcile()).stored == 1
    assert await site.stored_bodies(tenant) == sent


async def test_a_run_that_is_open_is_left_alone(site: Site, tenant: str) -> None:
    handle = await site.accept(bodies(tenant, 1))
    assert (await site.reconcile()).batches == 0
    assert await site.stored_bodies(tenant) == []
    async with site.worker():
        assert (await handle.result()).stored == 1
    await site.wait_until_listed(handle.first_execution_run_id)
    done = await site.reconcile()
    assert (done.batches, done.missing) == (0, 0)
    assert len(await site.stored_bodies(tenant)) == 1
