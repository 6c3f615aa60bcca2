"""The workflow that makes a batch durable: once Temporal has it, it runs until every entry is stored."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    import msgspec

    from trenova.activities import AuditActivities
    from trenova.domain.batch import Batch, BatchResult, batch_label

# The first attempt runs inside the workflow task, which saves the server two of three commits and a second copy of the
# batch in the history. It must end well before the ten seconds of that task.
QUICK_TIMEOUT = timedelta(seconds=5)
ONCE = RetryPolicy(maximum_attempts=1)
# After this a worker counts as lost. If its machine only stalled, another worker attempts the batch, too.
HEARTBEAT_TIMEOUT = timedelta(seconds=25)
# One durable attempt. While the database is unreachable it waits in a worker and keeps its place; failing would put it
# at the end of the queue.
ATTEMPT_TIMEOUT = timedelta(days=7)
# Unlimited: the workflow waits for an unreachable database, for days if need be. Nothing accepted is given up.
RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2,
    maximum_interval=timedelta(seconds=30),
    maximum_attempts=0,
)


@workflow.defn(name="ProcessAuditBatchWorkflow")
class ProcessAuditBatchWorkflow:
    @workflow.run
    async def run(self, batch: Batch | None = None) -> BatchResult:
        """Store one batch. Without a batch, complete with zero counts: that shows an operator that workers run."""
        batch = msgspec.structs.replace(batch or Batch(), batch_id=batch_label(workflow.info().workflow_id))
        if not batch.entries:
            return BatchResult(batch_id=batch.batch_id)
        try:
            return await workflow.execute_local_activity_method(
                AuditActivities.store_batch, batch, start_to_close_timeout=QUICK_TIMEOUT, retry_policy=ONCE
            )
        except FailureError as error:
            # The failure of a local activity is not always wrapped in an ActivityError.
            failure = error.cause if isinstance(error, ActivityError) else error
            if is_cancelled_exception(error) or (isinstance(failure, ApplicationError) and failure.non_retryable):
                raise
            # Storing is idempotent, so it does not matter what the quick attempt did before it failed.
        return await workflow.execute_activity_method(
            AuditActivities.store_batch,
            batch,
            start_to_close_timeout=ATTEMPT_TIMEOUT,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=RETRY,
        )
