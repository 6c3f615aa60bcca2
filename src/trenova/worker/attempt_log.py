"""Every attempt at storing a batch, told to the log and to the metrics under the batch's id."""

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
        told: dict[str, Any] = {"workflow_id": info.workflow_id, "attempt": info.attempt}
        if batch is not None:
            told["batch_id"] = batch.batch_id
        # Whatever the activity logs on its way carries these too.
        with structlog.contextvars.bound_contextvars(**told):
            result = await self.next.execute_activity(input)
            if batch is not None and isinstance(result, BatchResult):
                metrics.count_batch(batch, result)
                counts = {"stored": result.stored, "duplicate": result.duplicate, "parked": result.parked}
                log.info("batch stored", **counts)
        return result
