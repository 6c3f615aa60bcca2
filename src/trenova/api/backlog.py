"""Metrics of the batches that wait to be stored, and of the backlog in the task queue."""

import asyncio
from datetime import UTC, datetime, timedelta

from prometheus_client import Gauge
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from trenova.config import TASK_QUEUE
from trenova.workflows import ProcessAuditBatchWorkflow

# Counting queries Temporal's visibility store, and scrapes come every few seconds.
EVERY_S = 30.0
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
    "Accepted batches that are not stored yet, by the minimum number of seconds they have waited",
    ["age"],
)
TASKS = Gauge("trenova_task_queue_backlog", "Tasks that no worker has started yet", ["kind"])
TASKS_AGE = Gauge("trenova_task_queue_backlog_age_seconds", "How long the oldest of these tasks has waited", ["kind"])


async def measure_backlog(client: Client) -> None:
    await asyncio.gather(count_batches(client), *(measure_task_queue(client, kind) for kind in KINDS))


async def count_batches(client: Client) -> None:
    """Count by age, the youngest first: when there are none, no older ones are asked for."""
    now, count = datetime.now(UTC), 1
    for age_s in AGES_S:
        if count:
            older = (now - timedelta(seconds=age_s)).isoformat()
            count = (await client.count_workflows(f"{RUNNING} AND StartTime <= '{older}'")).count
        BATCHES.labels(age=age_s).set(count)


async def measure_task_queue(client: Client, kind: str) -> None:
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=TASK_QUEUE),
        task_queue_type=KINDS[kind],
        report_stats=True,
    )
    stats = (await client.workflow_service.describe_task_queue(request)).stats
    TASKS.labels(kind=kind).set(stats.approximate_backlog_count)
    TASKS_AGE.labels(kind=kind).set(stats.approximate_backlog_age.ToTimedelta().total_seconds())
