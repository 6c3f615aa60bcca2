"""Whether the Temporal server has seen a worker poll. That a worker object runs does not prove it."""

import asyncio
import time
from datetime import datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

from trenova.runtime.connection import explain

CHECK_EVERY_S = 0.2
QUEUES = (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)
QUEUE_NAMES = {QUEUES[0]: "workflows", QUEUES[1]: "activities"}
ANSWER_LIMIT = timedelta(seconds=4)
# A longer diagnosis would delay readiness.
EXPLAIN_S = 5.0
# A poll without a task is answered after a minute, and the server notes the time of the next one. It lists a poller for
# five minutes after its last poll.
SILENT_S = 90.0
# Until then a worker that Temporal has not seen poll yet is starting, which deserves no warning.
START_LIMIT_S = 30.0
STARTING = "starting"


async def wait_for_polls(client: Client, task_queue: str) -> None:
    """Return when this client's identity polls the queue for workflows and for activities."""
    for kind in QUEUES:
        while client.identity not in await recent_pollers(client, task_queue, kind):  # noqa: ASYNC110 - the server cannot call
            await asyncio.sleep(CHECK_EVERY_S)


async def recent_pollers(client: Client, task_queue: str, kind: TaskQueueType.ValueType) -> set[str]:
    """The identities that polled recently; none if the server does not answer."""
    try:
        return set(await last_polls(client, task_queue, kind))
    except RPCError:
        return set()


async def last_polls(client: Client, task_queue: str, kind: TaskQueueType.ValueType) -> dict[str, datetime]:
    """When each identity polled last, by the server's clock. Raises RPCError if the server does not answer."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=task_queue), task_queue_type=kind
    )
    answer = await client.workflow_service.describe_task_queue(request, timeout=ANSWER_LIMIT)
    return {poller.identity: poller.last_access_time.ToDatetime() for poller in answer.pollers}


class Polls:
    """Whether a worker of this client polls now, according to the server.

    The server's clock may differ from ours, so this measures by our clock how long ago the time of the last poll
    changed.
    """

    def __init__(self, client: Client, task_queue: str, worker: Worker) -> None:
        self.client = client
        self.task_queue = task_queue
        self.worker = worker
        self.changes: dict[int, tuple[datetime, float]] = {}
        """By kind of task, the server's time of the last poll, and when that changed by our clock."""
        self.began = time.monotonic()

    async def check(self) -> str:
        """`ok`, `starting`, or what is wrong."""
        if not self.worker.is_running:
            return STARTING if self.is_starting else "the worker is not running"
        try:
            async with asyncio.timeout(ANSWER_LIMIT.total_seconds()):
                polls = {kind: await last_polls(self.client, self.task_queue, kind) for kind in QUEUES}
        except (RPCError, RuntimeError, TimeoutError) as error:
            return (await explain(self.client, error, limit_s=EXPLAIN_S)).message
        identity = self.client.identity
        silent = [QUEUE_NAMES[kind] for kind in QUEUES if not self.is_polling(kind, polls[kind].get(identity))]
        if silent and self.is_starting:
            return STARTING
        return f"no poll of {self.task_queue} for {' and '.join(silent)}" if silent else "ok"

    @property
    def is_starting(self) -> bool:
        """Whether a kind of poll has not been seen yet, but there was hardly time for it."""
        return len(self.changes) < len(QUEUES) and time.monotonic() - self.began < START_LIMIT_S

    def is_polling(self, kind: int, last: datetime | None) -> bool:
        if last is None:
            return False
        now = time.monotonic()
        if kind not in self.changes or self.changes[kind][0] != last:
            self.changes[kind] = (last, now)
        return now - self.changes[kind][1] < SILENT_S
