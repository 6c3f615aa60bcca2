"""Questions put to the workers: a workflow query about work that is over, which a worker answers and nothing keeps.

Temporal lists who has polled within five minutes, dead or not. A query tells within milliseconds whether a worker is
there, and whether it can open what the workflow was started with: it reads the history to answer. It adds nothing to
that history, runs no code of ours, and is one action on Temporal Cloud.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.errordetails.v1 import QueryFailedFailure
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.workflowservice.v1 import QueryWorkflowRequest, QueryWorkflowResponse
from temporalio.client import Client
from temporalio.client import WorkflowExecution as Run
from temporalio.service import RPCError, RPCStatusCode

from trenova.config import TASK_QUEUE
from trenova.domain.batch import BATCH_WORKFLOW, is_api_batch
from trenova.runtime.connection.own_time import sleep_own_time

# The SDK answers it for every workflow.
QUERY = WorkflowQuery(query_type="__temporal_workflow_metadata")
# Whichever worker is free answers: with several of them some are asked more than once, and some perhaps not at all.
QUERIES = 4
ANSWER_LIMIT_S = 3.0
# Ours is shorter. Temporal forgets the question after this.
RPC_LIMIT = timedelta(seconds=30)
ON_QUEUE = f"TaskQueue = '{TASK_QUEUE}'"
BATCH = f"{ON_QUEUE} AND WorkflowType = '{BATCH_WORKFLOW}'"
# Batches first, since they hold what the API encrypts; then what schedules have started; then what still waits, which
# nobody answers for if nobody is there.
CANDIDATES = (f"{BATCH} AND ExecutionStatus = 'Completed'", f"{ON_QUEUE} AND ExecutionStatus = 'Completed'", ON_QUEUE)
MOST_LISTED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What came back, all of it about one workflow."""

    about: Run
    replies: Sequence[Payload]
    """The answers of workers that could open it, encrypted with their keys."""
    failures: Sequence[str]
    """Of workers that could not: the types of their errors."""
    busy: int
    """Not put to a worker, or not to be answered now, as Temporal says. They tell nothing."""
    silent: int
    """No answer in time."""

    @property
    def answered(self) -> int:
        return len(self.replies) + len(self.failures)


class WorkerQueries:
    """Put once, for all checks that need the answers."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.asking: asyncio.Task[Answers | None] | None = None

    async def answers(self) -> Answers | None:
        """None where there is no workflow to ask about. Raises RPCError when Temporal does not tell of any."""
        self.asking = self.asking or asyncio.create_task(query_workers(self.client))
        return await asyncio.shield(self.asking)

    async def aclose(self) -> None:
        if self.asking:
            self.asking.cancel()
            await asyncio.gather(self.asking, return_exceptions=True)


async def query_workers(client: Client) -> Answers | None:
    """Ask several times at once. None where there is no workflow to ask about."""
    run = await find_workflow_to_query(client)
    if run is None:
        return None
    asking = [asyncio.ensure_future(send_query(client, run)) for _ in range(QUERIES)]
    waiting = asyncio.ensure_future(sleep_own_time(ANSWER_LIMIT_S))
    everything = asyncio.ensure_future(asyncio.wait(asking))
    try:
        await asyncio.wait({everything, waiting}, return_when=asyncio.FIRST_COMPLETED)
        return summarize(run, [each.result() if each.done() else None for each in asking])
    finally:
        for task in (*asking, everything, waiting):
            task.cancel()
        await asyncio.gather(*asking, everything, waiting, return_exceptions=True)


async def find_workflow_to_query(client: Client) -> Run | None:
    for query in CANDIDATES:
        async for run in client.list_workflows(query, limit=1):
            return run
    return None


async def send_query(client: Client, run: Run) -> QueryWorkflowResponse | RPCError:
    execution = WorkflowExecution(workflow_id=run.id, run_id=run.run_id)
    request = QueryWorkflowRequest(namespace=client.namespace, execution=execution, query=QUERY)
    try:
        return await client.workflow_service.query_workflow(request, timeout=RPC_LIMIT)
    except RPCError as error:
        return error


def summarize(run: Run, said: Sequence[QueryWorkflowResponse | RPCError | None]) -> Answers:
    errors = [each for each in said if isinstance(each, RPCError)]
    failures = [kind for each in errors if (kind := worker_failure_type(each)) is not None]
    silent = sum(each is None or (isinstance(each, RPCError) and is_timeout(each)) for each in said)
    return Answers(
        about=run,
        replies=[p for each in said if isinstance(each, QueryWorkflowResponse) for p in each.query_result.payloads],
        failures=failures,
        busy=sum(not is_timeout(each) for each in errors) - len(failures),
        silent=silent,
    )


def is_timeout(error: RPCError) -> bool:
    return error.status in {RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED}


def worker_failure_type(error: RPCError) -> str | None:
    """The type of a worker's error; None where the answer is not a worker's."""
    for detail in error.grpc_status.details:
        failed = QueryFailedFailure()
        if detail.Unpack(failed):
            return failed.failure.application_failure_info.type
    return None


async def find_newest_batch(client: Client) -> str | None:
    """The workflow id of the newest batch of an API that is over."""
    async for run in client.list_workflows(CANDIDATES[0], limit=MOST_LISTED):
        if is_api_batch(run.id):
            return run.id
    return None
