"""What the last nightly check of all logs found, for the metrics. Temporal keeps its result."""

from contextlib import suppress

import msgspec
import structlog
from prometheus_client import Gauge
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError

from trenova.domain.verification import Verification
from trenova.errors import PayloadError
from trenova.workflows import VERIFY_SCHEDULE, VerifyLogsWorkflow

log = structlog.get_logger()

# A check takes place once a night, and a scrape every few seconds.
EVERY_S = 60.0
FINISHED_RUNS = f"TemporalScheduledById = '{VERIFY_SCHEDULE}' AND ExecutionStatus != 'Running'"

FINISHED = Gauge("trenova_verification_finished_timestamp_seconds", "When the last check of all logs ended; 0: unknown")
DAMAGED = Gauge("trenova_verification_damaged_places", "Damaged places that the last check of all logs found")


async def measure_last_verification(client: Client) -> None:
    """Of a result that cannot be read nothing is known: the last numbers stay, and an alert tells of old ones."""
    # Temporal lists the latest first.
    async for run in client.list_workflows(FINISHED_RUNS, limit=1):
        handle = client.get_workflow_handle_for(VerifyLogsWorkflow.run, run.id, run_id=run.run_id)
        try:
            found = await verification_of(handle)
        except PayloadError as error:
            log.warning("the last verification cannot be read", workflow_id=run.id, error=error.message)
            return
        if found is not None and found.finished_at is not None:
            DAMAGED.set(found.damaged)
            FINISHED.set(found.finished_at.timestamp())


async def verification_of(handle: WorkflowHandle[VerifyLogsWorkflow, Verification]) -> Verification | None:
    """The result of a run; None of one that was ended before it had any. Raises PayloadError without its key."""
    try:
        return await handle.result(follow_runs=False)
    except WorkflowFailureError as failure:
        cause = failure.cause
        if isinstance(cause, ApplicationError) and cause.type == "LedgerDamaged" and cause.details:
            with suppress(msgspec.ValidationError):  # whoever takes our tasks can fail a run with anything
                return msgspec.convert(cause.details[0], Verification)
        return None
