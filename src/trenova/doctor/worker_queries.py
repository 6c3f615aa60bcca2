"""Queries the workers: a workflow query about a closed workflow, which a worker must answer.

Temporal lists the workers that have polled within five minutes, dead or alive. A query shows within milliseconds
whether a worker is alive, and whether it can decrypt the workflow's history, which it reads to answer. A query adds
nothing to that history, runs no code of ours, and is one action on Temporal Cloud.
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

# The SDK itself answers this query, for every workflow.
QUERY = WorkflowQuery(query_type="__temporal_workflow_metadata")
# Any free worker answers: of several workers, some may be asked twice, and some not at all.
QUERIES = 4
ANSWER_LIMIT_S = 3.0
# Longer than ANSWER_LIMIT_S: after this, Temporal discards an unanswered query.
RPC_LIMIT = timedelta(seconds=30)
ON_QUEUE = f"TaskQueue = '{TASK_QUEUE}'"
BATCH = f"{ON_QUEUE} AND WorkflowType = '{BATCH_WORKFLOW}'"
# Completed batches first, because they hold what the API encrypts; then workflows of schedules; then any workflow, as
# even one that no worker has run shows that no worker answers.
CANDIDATES = (f"{BATCH} AND ExecutionStatus = 'Completed'", f"{ON_QUEUE} AND ExecutionStatus = 'Completed'", ON_QUEUE)
MOST_LISTED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The outcome of all queries about one workflow."""

    workflow: Run
    replies: Sequence[Payload]
    """From workers that could decrypt its history, encrypted with their keys."""
    failures: Sequence[str]
    """The error types of workers that could not."""
    busy: int
    """How many queries Temporal did not hand to a worker, or could not have answered now. They show nothing."""
    silent: int
    """How many queries were not answered in time."""

    @property
    def answer_count(self) -> int:
        return len(self.replies) + len(self.failures)


class WorkerQueries:
    """Queries the workers once, for all checks that need the answers."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.querying: asyncio.Task[Answers | None] | None = None

    async def answers(self) -> Answers | None:
        """None if there is no workflow to query about. Raises RPCError if Temporal cannot list workflows."""
        self.querying = self.querying or asyncio.create_task(query_workers(self.client))
        return await asyncio.shield(self.querying)

    async def aclose(self) -> None:
        if self.querying:
            self.querying.cancel()
            await asyncio.gather(self.querying, return_exceptions=True)


async def query_workers(client: Client) -> Answers | None:
    """Send several queries at once. None if there is no workflow to query about."""
    run = await find_workflow_to_query(client)
    if run is None:
        return None
    queries = [asyncio.ensure_future(send_query(client, run)) for _ in range(QUERIES)]
    limit = asyncio.ensure_future(sleep_own_time(ANSWER_LIMIT_S))
    all_answered = asyncio.ensure_future(asyncio.wait(queries))
    try:
        await asyncio.wait({all_answered, limit}, return_when=asyncio.FIRST_COMPLETED)
        return summarize(run, [query.result() if query.done() else None for query in queries])
    finally:
        for task in (*queries, all_answered, limit):
            task.cancel()
        await asyncio.gather(*queries, all_answered, limit, return_exceptions=True)


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


def summarize(run: Run, outcomes: Sequence[QueryWorkflowResponse | RPCError | None]) -> Answers:
    """None among the outcomes: no answer within ANSWER_LIMIT_S."""
    responses = [outcome for outcome in outcomes if isinstance(outcome, QueryWorkflowResponse)]
    errors = [outcome for outcome in outcomes if isinstance(outcome, RPCError)]
    timeouts = sum(is_timeout(error) for error in errors)
    failures = [kind for error in errors if (kind := worker_failure_type(error)) is not None]
    return Answers(
        workflow=run,
        replies=[payload for response in responses for payload in response.query_result.payloads],
        failures=failures,
        busy=len(errors) - timeouts - len(failures),
        silent=outcomes.count(None) + timeouts,
    )


def is_timeout(error: RPCError) -> bool:
    return error.status in {RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED}


def worker_failure_type(error: RPCError) -> str | None:
    """The type of a worker's error; None if the error does not come from a worker."""
    for detail in error.grpc_status.details:
        failed = QueryFailedFailure()
        if detail.Unpack(failed):
            return failed.failure.application_failure_info.type
    return None


async def find_newest_batch(client: Client) -> str | None:
    """The workflow id of the newest completed batch of an API."""
    async for run in client.list_workflows(CANDIDATES[0], limit=MOST_LISTED):
        if is_api_batch(run.id):
            return run.id
    return None
