"""What the last nightly check of all logs found, for the metrics. Temporal keeps its result."""

import msgspec
from prometheus_client import Gauge
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError

from trenova.domain.verification import Verification
from trenova.workflows import VERIFY_SCHEDULE, VerifyLogsWorkflow

# A check takes place once a night, and a scrape every few seconds.
EVERY_S = 60.0
ENDED = f"TemporalScheduledById = '{VERIFY_SCHEDULE}' AND ExecutionStatus != 'Running'"

FINISHED = Gauge("trenova_verification_finished_timestamp_seconds", "When the last check of all logs ended; 0: unknown")
DAMAGED = Gauge("trenova_verification_damaged_places", "Damaged places that the last check of all logs found")


async def measure_last_verification(client: Client) -> None:
    # Temporal lists the latest first.
    async for run in client.list_workflows(ENDED, limit=1):
        found = await verification_of(client.get_workflow_handle_for(VerifyLogsWorkflow.run, run.id, run_id=run.run_id))
        if found is not None and found.finished_at is not None:
            DAMAGED.set(found.damaged)
            FINISHED.set(found.finished_at.timestamp())


async def verification_of(handle: WorkflowHandle[VerifyLogsWorkflow, Verification]) -> Verification | None:
    """The result of a run; None of one that was ended before it had any."""
    try:
        return await handle.result(follow_runs=False)
    except WorkflowFailureError as failure:
        if isinstance(failure.cause, ApplicationError) and failure.cause.type == "LogDamaged":
            return msgspec.convert(failure.cause.details[0], Verification)
        return None
