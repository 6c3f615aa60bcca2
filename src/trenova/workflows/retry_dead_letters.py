"""The workflow that tries parked entries again, every five minutes and whenever an operator asks for it."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from trenova.activities import DeadLetterActivities
    from trenova.domain.dead_letters import RetryResult

# Every transaction is a sign of life; one on a machine that stalls may take minutes.
HEARTBEAT_TIMEOUT = timedelta(minutes=10)
TIMEOUT = timedelta(days=1)
RETRY = RetryPolicy(maximum_interval=timedelta(minutes=1), maximum_attempts=0)


@workflow.defn(name="RetryDeadLettersWorkflow")
class RetryDeadLettersWorkflow:
    @workflow.run
    async def run(self) -> RetryResult:
        """Try what is due. What is refused once more stays parked, and waits twice as long."""
        return await workflow.execute_activity_method(
            DeadLetterActivities.retry_dead_letters,
            start_to_close_timeout=TIMEOUT,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=RETRY,
        )
