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
from trenova.runtime.connection.patience import own_time

# The SDK answers it for every workflow.
QUESTION = WorkflowQuery(query_type="__temporal_workflow_metadata")
# Whichever worker is free answers: with several of them some are asked more than once, and some perhaps not at all.
QUESTIONS = 4
ANSWER_S = 3.0
# Ours is shorter. Temporal forgets the question after this.
GIVEN_UP = timedelta(seconds=30)
ON_QUEUE = f"TaskQueue = '{TASK_QUEUE}'"
BATCH = f"{ON_QUEUE} AND WorkflowType = '{BATCH_WORKFLOW}'"
# Batches first, since they hold what the API encrypts; then what schedules have started; then what still waits, which
# nobody answers for if nobody is there.
ASKED_ABOUT = (f"{BATCH} AND ExecutionStatus = 'Completed'", f"{ON_QUEUE} AND ExecutionStatus = 'Completed'", ON_QUEUE)
LOOKED_THROUGH = 20


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
        self.asking = self.asking or asyncio.create_task(ask(self.client))
        return await asyncio.shield(self.asking)

    async def aclose(self) -> None:
        if self.asking:
            self.asking.cancel()
            await asyncio.gather(self.asking, return_exceptions=True)


async def ask(client: Client) -> Answers | None:
    """Ask several times at once. None where there is no workflow to ask about."""
    run = await workflow_to_ask_about(client)
    if run is None:
        return None
    asking = [asyncio.ensure_future(put(client, run)) for _ in range(QUESTIONS)]
    waiting = asyncio.ensure_future(own_time(ANSWER_S))
    everything = asyncio.ensure_future(asyncio.wait(asking))
    try:
        await asyncio.wait({everything, waiting}, return_when=asyncio.FIRST_COMPLETED)
        return summary(run, [each.result() if each.done() else None for each in asking])
    finally:
        for task in (*asking, everything, waiting):
            task.cancel()
        await asyncio.gather(*asking, everything, waiting, return_exceptions=True)


async def workflow_to_ask_about(client: Client) -> Run | None:
    for query in ASKED_ABOUT:
        async for run in client.list_workflows(query, limit=1):
            return run
    return None


async def put(client: Client, run: Run) -> QueryWorkflowResponse | RPCError:
    execution = WorkflowExecution(workflow_id=run.id, run_id=run.run_id)
    request = QueryWorkflowRequest(namespace=client.namespace, execution=execution, query=QUESTION)
    try:
        return await client.workflow_service.query_workflow(request, timeout=GIVEN_UP)
    except RPCError as error:
        return error


def summary(run: Run, said: Sequence[QueryWorkflowResponse | RPCError | None]) -> Answers:
    errors = [each for each in said if isinstance(each, RPCError)]
    failures = [kind for each in errors if (kind := failure_of(each)) is not None]
    silent = sum(each is None or (isinstance(each, RPCError) and is_silence(each)) for each in said)
    return Answers(
        about=run,
        replies=[p for each in said if isinstance(each, QueryWorkflowResponse) for p in each.query_result.payloads],
        failures=failures,
        busy=sum(not is_silence(each) for each in errors) - len(failures),
        silent=silent,
    )


def is_silence(error: RPCError) -> bool:
    return error.status in {RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED}


def failure_of(error: RPCError) -> str | None:
    """The type of a worker's error; None where the answer is not a worker's."""
    for detail in error.grpc_status.details:
        failed = QueryFailedFailure()
        if detail.Unpack(failed):
            return failed.failure.application_failure_info.type
    return None


async def newest_batch(client: Client) -> str | None:
    """The workflow id of the newest batch of an API that is over."""
    async for run in client.list_workflows(ASKED_ABOUT[0], limit=LOOKED_THROUGH):
        if is_api_batch(run.id):
            return run.id
    return None
