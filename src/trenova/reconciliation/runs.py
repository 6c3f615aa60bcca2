"""The closed runs of batches, as Temporal lists them, and their inputs."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime

from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from trenova.config import TASK_QUEUE
from trenova.domain.batch import BATCH_WORKFLOW
from trenova.errors import NotFound, TemporalUnreachable
from trenova.store.reconciliation import ClosedRun

# With any status: a run that another party's worker has completed need not have stored anything.
CLOSED = f"WorkflowType = '{BATCH_WORKFLOW}' AND TaskQueue = '{TASK_QUEUE}' AND CloseTime IS NOT NULL"
# The most that Temporal lists at once.
PAGE = 1_000


async def closed_runs(client: Client, since: datetime | None) -> AsyncGenerator[Sequence[ClosedRun], None]:
    """Pages of the runs that closed at `since` or later, the latest first. None: all that Temporal still has.

    Raises TemporalUnreachable.
    """
    query = CLOSED if since is None else f"{CLOSED} AND CloseTime >= '{since.isoformat()}'"
    executions = client.list_workflows(query, page_size=PAGE)
    try:
        while True:
            await executions.fetch_next_page()
            yield [closed_run(each) for each in executions.current_page or ()]
            if not executions.next_page_token:
                return
    except RPCError as error:
        raise unreachable_error(error) from error


def closed_run(execution: WorkflowExecution) -> ClosedRun:
    status = execution.status or WorkflowExecutionStatus.COMPLETED
    return ClosedRun(
        run_id=execution.run_id,
        workflow_id=execution.id,
        ended_as=status.name.lower(),
        closed_at=execution.close_time or execution.start_time,
    )


async def input_of(client: Client, run: ClosedRun) -> Sequence[Payload]:
    """The encoded input of the run, from its history.

    Raises NotFound if the history was deleted, TemporalUnreachable.
    """
    handle = client.get_workflow_handle(run.workflow_id, run_id=run.run_id)
    try:
        async for event in handle.fetch_history_events(page_size=1):
            return event.workflow_execution_started_event_attributes.input.payloads
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise unreachable_error(error) from error
    raise NotFound("the history of this run was deleted")


def unreachable_error(error: RPCError) -> TemporalUnreachable:
    return TemporalUnreachable(
        f"Temporal does not return the closed workflows: {error.message}",
        hint="`trenova doctor` shows the cause",
    )
