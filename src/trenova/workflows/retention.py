"""The workflow that removes content past its retention, every night and whenever an operator starts it."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from trenova.activities import RetentionActivities
    from trenova.domain.retention import RetentionRequest, RetentionResult

# Every transaction sends a heartbeat; on a machine that stalls one may take minutes.
HEARTBEAT_TIMEOUT = timedelta(minutes=10)
TIMEOUT = timedelta(days=7)
RETRY = RetryPolicy(maximum_interval=timedelta(minutes=1), maximum_attempts=0)


@workflow.defn(name="RetentionWorkflow")
class RetentionWorkflow:
    @workflow.run
    async def run(self, request: RetentionRequest | None = None) -> RetentionResult:
        """Process all ledgers that have a retention policy, or one."""
        return await workflow.execute_activity_method(
            RetentionActivities.remove_expired,
            request or RetentionRequest(),
            start_to_close_timeout=TIMEOUT,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=RETRY,
        )
