"""However the workflow of an accepted batch ended: its entries are stored once from the history."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

import stranger
from contract.reconciliation.conftest import Handle, Place
from examples import bodies

End = Callable[[Place, Handle], Awaitable[list[str | None]]]


async def terminate_run(_: Place, handle: Handle) -> list[str | None]:
    await handle.terminate()
    return [handle.first_execution_run_id]


async def cancel_run(place: Place, handle: Handle) -> list[str | None]:
    await handle.cancel()
    await stranger.answer_task(place.client, stranger.CANCEL)
    return [handle.first_execution_run_id]


async def fail_run(place: Place, handle: Handle) -> list[str | None]:
    await stranger.answer_task(place.client, stranger.FAIL)
    return [handle.first_execution_run_id]


async def completed_by_a_stranger(place: Place, handle: Handle) -> list[str | None]:
    await stranger.answer_task(place.client, stranger.COMPLETE)
    return [handle.first_execution_run_id]


async def continued_as_new_by_a_stranger(place: Place, handle: Handle) -> list[str | None]:
    await stranger.answer_task(place.client, stranger.CONTINUE)
    task = await stranger.answer_task(place.client, stranger.COMPLETE)
    return [handle.first_execution_run_id, task.workflow_execution.run_id]


async def reset_and_terminated(place: Place, handle: Handle) -> list[str | None]:
    await stranger.answer_task(place.client, stranger.COMPLETE)
    run_id = await stranger.reset(place.client, handle.id, str(handle.first_execution_run_id))
    await place.client.get_workflow_handle(handle.id, run_id=run_id).terminate()
    return [handle.first_execution_run_id, run_id]


async def reset_and_left_open(place: Place, handle: Handle) -> list[str | None]:
    await stranger.answer_task(place.client, stranger.COMPLETE)
    await stranger.reset(place.client, handle.id, str(handle.first_execution_run_id))
    return [handle.first_execution_run_id]


async def signalled_and_terminated(_: Place, handle: Handle) -> list[str | None]:
    for number in range(3):
        await handle.signal("anything", number)
    await handle.terminate()
    return [handle.first_execution_run_id]


async def started_again_without_input(place: Place, handle: Handle) -> list[str | None]:
    """The terminated run is no longer the latest one of its id, and the latest one completes like any other."""
    await handle.terminate()
    again = await place.client.start_workflow("ProcessAuditBatchWorkflow", id=handle.id, task_queue="audit-queue")
    async with place.worker():
        await again.result()
    return [handle.first_execution_run_id, again.first_execution_run_id]


@pytest.mark.parametrize(
    "end",
    [
        terminate_run,
        cancel_run,
        fail_run,
        completed_by_a_stranger,
        continued_as_new_by_a_stranger,
        reset_and_terminated,
        reset_and_left_open,
        signalled_and_terminated,
        started_again_without_input,
    ],
)
async def test_a_batch_whose_workflow_ended_without_storing_it_is_stored_once(
    place: Place, tenant: str, end: End
) -> None:
    sent = bodies(tenant, 3)
    handle = await place.accept(sent)
    await place.wait_until_listed(*await end(place, handle))
    assert await place.stored_bodies(tenant) == []

    done = await place.reconcile()
    assert (done.batches, done.stored, done.parked, done.missing, done.foreign) == (1, 3, 0, 0, 0)
    assert done.finished_at is not None
    assert await place.stored_bodies(tenant) == sent
    (part,) = await place.store.batches.find(handle.id.removeprefix("audit-batch-"))
    assert (part.stored, part.duplicate) == (3, 0)

    again = await place.reconcile()
    assert (again.batches, again.missing) == (0, 0)
    assert again.runs == done.runs
    # The worker, which runs what is still open, stores nothing twice either.
    async with place.worker():
        await place.client.get_workflow_handle(handle.id).describe()
        assert await place.stored_bodies(tenant) == sent
    found = await place.store.reconciliation.list_recovered(done.finished_at - timedelta(hours=1), 100)
    assert handle.id in {run.workflow_id for run in found}


async def test_a_run_that_timed_out_is_recovered_like_any_other(place: Place, tenant: str) -> None:
    sent = bodies(tenant, 1)
    handle = await place.accept(sent, run_timeout=timedelta(seconds=1))
    await place.wait_until_listed(handle.first_execution_run_id)
    assert (await place.reconcile()).stored == 1
    assert await place.stored_bodies(tenant) == sent


async def test_a_run_that_is_open_is_left_alone(place: Place, tenant: str) -> None:
    handle = await place.accept(bodies(tenant, 1))
    assert (await place.reconcile()).batches == 0
    assert await place.stored_bodies(tenant) == []
    async with place.worker():
        assert (await handle.result()).stored == 1
    await place.wait_until_listed(handle.first_execution_run_id)
    done = await place.reconcile()
    assert (done.batches, done.missing) == (0, 0)
    assert len(await place.stored_bodies(tenant)) == 1
