"""How many batches wait to be stored, for how long, and what waits in the task queue, for the metrics."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import structlog
from prometheus_client import Gauge
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from trenova.config import TASK_QUEUE
from trenova.workflows import ProcessAuditBatchWorkflow

log = structlog.get_logger()

# Counting is a query of Temporal's visibility store, and a scrape comes every few seconds.
ASK_AGAIN_S = 30.0
TIMEOUT_S = 5
AGES_S = (0, 60, 600, 3600, 86_400)
RUNNING = (
    f"WorkflowType = '{ProcessAuditBatchWorkflow.__name__}' AND TaskQueue = '{TASK_QUEUE}' "
    "AND ExecutionStatus = 'Running'"
)
KINDS = {
    "workflow": TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    "activity": TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
}

BATCHES = Gauge(
    "trenova_batches_waiting",
    "Batches that are accepted and not yet stored, by the seconds they wait at least",
    ["age"],
)
TASKS = Gauge("trenova_task_queue_backlog", "Tasks that no worker has taken yet", ["kind"])
TASKS_AGE = Gauge("trenova_task_queue_backlog_age_seconds", "How long the first of them waits", ["kind"])


class Backlog:
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
                    await asyncio.gather(self.count_batches(), *(self.look(kind) for kind in KINDS))
            except (RPCError, RuntimeError, TimeoutError) as error:
                log.warning("backlog unknown", error=type(error).__name__)

    async def count_batches(self) -> None:
        """By age, the youngest first: where there are none, there are none that are older."""
        now, count = datetime.now(UTC), 1
        for age_s in AGES_S:
            if count:
                older = (now - timedelta(seconds=age_s)).isoformat()
                count = (await self.client.count_workflows(f"{RUNNING} AND StartTime <= '{older}'")).count
            BATCHES.labels(age=age_s).set(count)

    async def look(self, kind: str) -> None:
        request = DescribeTaskQueueRequest(
            namespace=self.client.namespace,
            task_queue=TaskQueue(name=TASK_QUEUE),
            task_queue_type=KINDS[kind],
            report_stats=True,
        )
        stats = (await self.client.workflow_service.describe_task_queue(request)).stats
        TASKS.labels(kind=kind).set(stats.approximate_backlog_count)
        TASKS_AGE.labels(kind=kind).set(stats.approximate_backlog_age.ToTimedelta().total_seconds())
