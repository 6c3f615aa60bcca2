"""Whether the server has really seen a worker poll. A worker object that runs says nothing of that."""

import asyncio

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

ASK_AGAIN_S = 0.2
QUEUES = (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)


async def polls_confirmed(client: Client, task_queue: str) -> None:
    """Return when this client's identity polls the queue for workflows and for activities."""
    for kind in QUEUES:
        while client.identity not in await pollers(client, task_queue, kind):  # noqa: ASYNC110 - the server cannot call
            await asyncio.sleep(ASK_AGAIN_S)


async def pollers(client: Client, task_queue: str, kind: TaskQueueType.ValueType) -> set[str]:
    """The identities that polled lately; none when the server does not answer."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=task_queue), task_queue_type=kind
    )
    try:
        answer = await client.workflow_service.describe_task_queue(request)
    except RPCError:
        return set()
    return {poller.identity for poller in answer.pollers}
