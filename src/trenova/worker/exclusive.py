"""An interceptor that runs long activities over all ledgers one at a time per kind and worker.

Anyone with access to the namespace can start any number of them. Together they would occupy every slot for days while
batches wait.
"""

from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

EXCLUSIVE = frozenset({"VerifyLogs", "RemoveExpired", "ReconcileBatches"})
RETRY_DELAY = timedelta(seconds=10)


class ExclusiveActivities(Interceptor):
    """One for each worker."""

    def __init__(self) -> None:
        self.running: set[str] = set()

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - Temporal's name
        return ExclusiveActivity(next, self.running)


class ExclusiveActivity(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, running: set[str]) -> None:  # noqa: A002 - Temporal's name
        super().__init__(next)
        self.running = running

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - Temporal's name
        kind = activity.info().activity_type
        if kind not in EXCLUSIVE:
            return await self.next.execute_activity(input)
        if kind in self.running:
            # This frees the slot at once. Benign: nothing is wrong, and Temporal would log a stack for each attempt.
            raise ApplicationError(
                "another activity of this kind is running in this worker; this one waits",
                type="Busy",
                next_retry_delay=RETRY_DELAY,
                category=ApplicationErrorCategory.BENIGN,
            )
        self.running.add(kind)
        try:
            return await self.next.execute_activity(input)
        finally:
            self.running.discard(kind)
