"""An interceptor that logs and counts every attempt at storing a batch, under the batch's id."""

from typing import Any

import structlog
from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from trenova.domain.batch import Batch, BatchResult
from trenova.worker import metrics

log = structlog.get_logger()


class AttemptLog(Interceptor):
    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - Temporal's name
        return LoggedActivity(next)


class LoggedActivity(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - Temporal's name
        info = activity.info()
        batch = input.args[0] if input.args and isinstance(input.args[0], Batch) else None
        fields: dict[str, Any] = {"workflow_id": info.workflow_id, "attempt": info.attempt}
        if batch is not None:
            fields["batch_id"] = batch.batch_id
        # Log lines of the activity itself carry these fields, too.
        with structlog.contextvars.bound_contextvars(**fields):
            result = await self.next.execute_activity(input)
            if batch is not None and isinstance(result, BatchResult):
                metrics.count_batch(batch, result)
                counts = {"stored": result.stored, "duplicate": result.duplicate, "parked": result.parked}
                log.info("batch stored", **counts)
        return result
