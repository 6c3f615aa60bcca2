"""The workflow that finds batches whose own workflows closed without storing them, every five minutes."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from trenova.activities import ReconciliationActivities
    from trenova.domain.reconciliation import ReconciliationResult

# Every page of runs and every stored batch sends a heartbeat; on a machine that stalls one may take minutes.
HEARTBEAT_TIMEOUT = timedelta(minutes=10)
TIMEOUT = timedelta(days=1)
RETRY = RetryPolicy(maximum_interval=timedelta(minutes=1), maximum_attempts=0)


@workflow.defn(name="ReconcileWorkflow")
class ReconcileWorkflow:
    @workflow.run
    async def run(self) -> ReconciliationResult:
        """Compare the runs that closed since the last time, and once a day all that Temporal still has."""
        return await workflow.execute_activity_method(
            ReconciliationActivities.reconcile,
            start_to_close_timeout=TIMEOUT,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=RETRY,
        )
