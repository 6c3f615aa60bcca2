"""The workflow that makes a batch durable: once Temporal has it, it runs until every entry is stored."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    import msgspec

    from trenova.activities import AuditActivities
    from trenova.domain.batch import Batch, BatchResult

# One attempt. A stalled machine can take this long over a batch; a lost worker is noticed after it.
ATTEMPT_TIMEOUT = timedelta(minutes=2)
# For ever: a database that is away is waited for, for days if need be. Nothing accepted is given up.
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
        """Store one batch. Without a batch, complete with zero counts: that tells an operator that workers run."""
        batch = batch or Batch()
        if not batch.batch_id:
            batch = msgspec.structs.replace(batch, batch_id=workflow.info().workflow_id)
        if not batch.entries:
            return BatchResult(batch_id=batch.batch_id)
        return await workflow.execute_activity_method(
            AuditActivities.store_batch,
            batch,
            start_to_close_timeout=ATTEMPT_TIMEOUT,
            retry_policy=RETRY,
        )
