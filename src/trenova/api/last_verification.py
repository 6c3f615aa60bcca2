"""Metrics of the last nightly verification of all ledgers. Temporal keeps its result."""

from contextlib import suppress

import msgspec
import structlog
from prometheus_client import Gauge
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError

from trenova.domain.verification import Verification
from trenova.errors import LedgerDamaged, PayloadError
from trenova.workflows import VERIFY_SCHEDULE, VerifyLogsWorkflow

log = structlog.get_logger()

# A verification runs once a night, and scrapes come every few seconds.
EVERY_S = 60.0
FINISHED_RUNS = f"TemporalScheduledById = '{VERIFY_SCHEDULE}' AND ExecutionStatus != 'Running'"

FINISHED = Gauge(
    "trenova_verification_finished_timestamp_seconds", "When the last verification of all ledgers finished; 0: unknown"
)
DAMAGED = Gauge("trenova_verification_damaged_places", "Damaged places that the last verification of all ledgers found")


async def measure_last_verification(client: Client) -> None:
    """Update the metrics. A result that cannot be read leaves the last values, and an alert fires when they are old."""
    # Temporal lists the latest first.
    async for run in client.list_workflows(FINISHED_RUNS, limit=1):
        handle = client.get_workflow_handle_for(VerifyLogsWorkflow.run, run.id, run_id=run.run_id)
        try:
            verification = await verification_of(handle)
        except PayloadError as error:
            log.warning("the last verification cannot be read", workflow_id=run.id, error=error.message)
            return
        if verification is not None and verification.finished_at is not None:
            DAMAGED.set(verification.damaged)
            FINISHED.set(verification.finished_at.timestamp())


async def verification_of(handle: WorkflowHandle[VerifyLogsWorkflow, Verification]) -> Verification | None:
    """The result of a run; None if it was closed without one. Raises PayloadError if its key is missing."""
    try:
        return await handle.result(follow_runs=False)
    except WorkflowFailureError as failure:
        cause = failure.cause
        if isinstance(cause, ApplicationError) and cause.type == LedgerDamaged.failure_type and cause.details:
            with suppress(msgspec.ValidationError):  # any worker of our task queue can fail a run with anything
                return msgspec.convert(cause.details[0], Verification)
        return None
