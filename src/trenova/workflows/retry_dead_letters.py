"""The workflow that retries parked entries, every five minutes and whenever an operator starts it."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from trenova.activities import DeadLetterActivities
    from trenova.domain.dead_letters import RetryResult

# Every transaction sends a heartbeat; on a machine that stalls one may take minutes.
HEARTBEAT_TIMEOUT = timedelta(minutes=10)
TIMEOUT = timedelta(days=1)
RETRY = RetryPolicy(maximum_interval=timedelta(minutes=1), maximum_attempts=0)


@workflow.defn(name="RetryDeadLettersWorkflow")
class RetryDeadLettersWorkflow:
    @workflow.run
    async def run(self) -> RetryResult:
        """Retry the entries that are due. One that is rejected again stays parked and waits twice as long."""
        return await workflow.execute_activity_method(
            DeadLetterActivities.retry_dead_letters,
            start_to_close_timeout=TIMEOUT,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=RETRY,
        )
