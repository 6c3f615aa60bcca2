"""What the last nightly check of all logs found, for the metrics. Temporal keeps its result."""

import asyncio
import time

import msgspec
import structlog
from prometheus_client import Gauge
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from trenova.domain.verification import Verification
from trenova.workflows import VERIFY_SCHEDULE, VerifyLogsWorkflow

log = structlog.get_logger()

# A check takes place once a night, and a scrape every few seconds.
ASK_AGAIN_S = 60.0
TIMEOUT_S = 5
ENDED = f"TemporalScheduledById = '{VERIFY_SCHEDULE}' AND ExecutionStatus != 'Running'"

FINISHED = Gauge("trenova_verification_finished_timestamp_seconds", "When the last check of all logs ended; 0: unknown")
DAMAGED = Gauge("trenova_verification_damaged_places", "Damaged places that the last check of all logs found")


class LastVerification:
    """Asks Temporal at most once in ASK_AGAIN_S however often it is called."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.asked_at = -ASK_AGAIN_S
        self.lock = asyncio.Lock()

    async def refresh(self) -> None:
        """Bring the metrics up to date. While Temporal is away they stay as they are."""
        async with self.lock:
            if time.monotonic() - self.asked_at < ASK_AGAIN_S:
                return
            self.asked_at = time.monotonic()
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    await self.ask()
            except (RPCError, RuntimeError, TimeoutError) as error:
                log.warning("last verification unknown", error=type(error).__name__)

    async def ask(self) -> None:
        # Temporal lists the latest first.
        async for run in self.client.list_workflows(ENDED, limit=1):
            handle = self.client.get_workflow_handle_for(VerifyLogsWorkflow.run, run.id, run_id=run.run_id)
            found = await verification_of(handle)
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
