"""The task queue: who polls it, what waits in it, and which workflows stand still."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, TaskQueueType, WorkerStatus, WorkerVersioningMode
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.worker.v1 import WorkerHeartbeat
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeTaskQueueResponse,
    DescribeWorkflowExecutionRequest,
    ListWorkersRequest,
)
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from trenova import errors
from trenova.codec.key_usage.open_workflows import OPEN, read_events
from trenova.config import TASK_QUEUE
from trenova.doctor import worker_queries
from trenova.doctor.checkup import Check
from trenova.doctor.context import CheckContext
from trenova.doctor.finding import Kind, Verdict, failed, ok, unchecked, warning
from trenova.doctor.phrases import many, span
from trenova.doctor.temporal import measure_skew
from trenova.worker.store_gate import STORING

KINDS = {
    "workflow": TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    "activity": TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
}
# A poll waits for a minute; Temporal lists who polled for five, dead or not.
POLLED_WITHIN = timedelta(minutes=2)
LONG_WAIT = timedelta(seconds=30)
LONG_OPEN = timedelta(minutes=5)
SHOWN, MOST_BATCHES = 3, 10
BATCHES = f"{OPEN} AND WorkflowType = 'ProcessAuditBatchWorkflow'"
STUCK = f"{OPEN} AND TemporalReportedProblems IN ('category=WorkflowTaskFailed', 'category=WorkflowTaskTimedOut')"
OUR_FAILURES = frozenset(
    kind.failure_type
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.TrenovaError) and kind is not errors.TrenovaError
)
SDK_FAILURES = {
    "NotFoundError": "the workers have no workflow of its type, and so are of another release",
    "NondeterminismError": "its history is of another release",
}
STOPPED = {WorkerStatus.WORKER_STATUS_SHUTTING_DOWN, WorkerStatus.WORKER_STATUS_SHUTDOWN}
EMPTY_NAMESPACE = "or correct temporal.namespace: nothing was ever started in this one"
START_WORKER = (
    "start one: `make run-worker`, or `trenova worker` with the API's settings; its log must say `worker started`"
)


class Version(NamedTuple):
    """Of a worker; both empty for one without."""

    deployment: str
    build_id: str

    def __bool__(self) -> bool:
        return bool(self.build_id)

    def __str__(self) -> str:
        return f"{self.deployment} {self.build_id}"


async def describe_task_queue(context: CheckContext, kind: TaskQueueType.ValueType) -> DescribeTaskQueueResponse:
    return await context.client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=context.client.namespace,
            task_queue=TaskQueue(name=TASK_QUEUE),
            task_queue_type=kind,
            report_stats=True,
        )
    )


async def list_pollers(context: CheckContext) -> dict[str, list[str]]:
    """The identities of those that polled lately and have not said goodbye since, for each kind of task."""
    ahead, heartbeats = await asyncio.gather(temporal_skew(context), list_heartbeats(context.client))
    stopped = stopped_identities(heartbeats)
    now = datetime.now(UTC) + ahead
    listed = await asyncio.gather(*(describe_task_queue(context, kind) for kind in KINDS.values()))
    return {
        word: sorted({poller.identity for poller in answer.pollers if has_polled_recently(poller, now)} - stopped)
        for word, answer in zip(KINDS, listed, strict=True)
    }


async def list_heartbeats(client: Client) -> list[WorkerHeartbeat]:
    """The last of each worker, also of those that have ended within a day. Older servers do not tell: none."""
    asked = ListWorkersRequest(namespace=client.namespace, query=f'TaskQueue="{TASK_QUEUE}"')
    found: list[WorkerHeartbeat] = []
    try:
        while True:
            page = await client.workflow_service.list_workers(asked)
            found += [info.worker_heartbeat for info in page.workers_info]
            if not page.next_page_token:
                return found
            asked.next_page_token = page.next_page_token
    except RPCError:
        return []  # of a part of them nobody can tell who has stopped


def stopped_identities(heartbeats: Sequence[WorkerHeartbeat]) -> set[str]:
    """The identities of workers that said goodbye, and under which no other one runs.

    An identity is `pid@host`, and in a container that is started again the new worker has that of the old one.
    """
    running = {beat.worker_identity for beat in heartbeats if beat.status not in STOPPED}
    return {beat.worker_identity for beat in heartbeats} - running


def start_times(heartbeats: Iterable[WorkerHeartbeat]) -> dict[str, datetime]:
    """When the newest worker of each identity began, by its machine's clock."""
    found: dict[str, datetime] = {}
    for beat in heartbeats:
        began = beat.start_time.ToDatetime(tzinfo=UTC)
        found[beat.worker_identity] = max(began, found.get(beat.worker_identity, began))
    return found


async def temporal_skew(context: CheckContext) -> timedelta:
    try:
        return await measure_skew(context.client, lambda: datetime.now(UTC))
    except (RPCError, TimeoutError):
        return timedelta(0)  # who may not poll cannot know; a wrong clock is then told by the database's


def has_polled_recently(poller: PollerInfo, now: datetime) -> bool:
    return now - poller.last_access_time.ToDatetime(tzinfo=UTC) < POLLED_WITHIN


async def check_workers(context: CheckContext) -> Verdict:
    """Temporal lists who polled lately, dead or not; so those are asked as well."""
    found = await list_pollers(context)
    missing = [word for word, identities in found.items() if not identities]
    if len(missing) == len(found):
        is_empty = await worker_queries.find_workflow_to_query(context.client) is None
        return failed(
            f"No Workers polling the {TASK_QUEUE} Task Queue",
            f"{START_WORKER}; {EMPTY_NAMESPACE}" if is_empty else START_WORKER,
        )
    answers = await context.workers.answers()
    silent = answers.silent if answers else 0
    if answers and silent and not answers.answered:
        listed = sorted({*found["workflow"], *found["activity"]})
        return failed(
            f"no worker answers on the {TASK_QUEUE} Task Queue: {', '.join(listed[:SHOWN])} polled lately, and "
            f"no query was answered within {worker_queries.ANSWER_LIMIT_S:g} s: stopped, killed, frozen or overloaded",
            f"{START_WORKER}; if its process exists, check whether it is stopped (state T in `ps`) or overloaded",
        )
    if missing:
        return failed(
            f"workers poll the {TASK_QUEUE} Task Queue, and none of them for {missing[0]} tasks",
            "look at the workers' logs: they may be stopping, or hold all they can take; else start another",
        )
    polling = f"{many(len(found['workflow']), 'worker polls', 'workers poll')} {TASK_QUEUE}"
    if silent:
        return warning(
            f"{polling}, and not all of them answer: {silent} of {worker_queries.QUERIES} questions got no answer "
            f"within {worker_queries.ANSWER_LIMIT_S:g} s",
            "look for a worker that was killed or is frozen: `temporal worker list`, the workers' logs, the load of "
            "their machines",
        )
    return ok(f"{polling} for workflows and activities")


async def check_worker_version(context: CheckContext) -> Verdict:
    """With worker versioning Temporal gives work to the current version alone, however many others poll."""
    answer = await describe_task_queue(context, KINDS["workflow"])
    if not answer.pollers:
        return ok("no worker polls")
    versioned = WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED
    options = [poller.deployment_options for poller in answer.pollers]
    polling = {
        Version(each.deployment_name, each.build_id) for each in options if each.worker_versioning_mode == versioned
    }
    current = answer.versioning_info.current_deployment_version
    wanted = Version(current.deployment_name, current.build_id)
    if wanted in polling or (not wanted and len(polling) < len(options)):
        return ok(f"work goes to {wanted or 'workers without one, as it should'}")
    if not polling:
        return failed(
            f"work goes to version {wanted} alone, and the workers that poll have none",
            "start workers with worker.deploymentName, or turn versions off: temporal worker deployment "
            f"set-current-version --deployment-name {wanted.deployment} --unversioned",
        )
    newest = max(polling)
    named = f"--deployment-name {newest.deployment} --build-id {newest.build_id}"
    return failed(
        f"workers of version {', '.join(map(str, sorted(polling)))} poll and get no work: the current version is "
        f"{wanted or 'none'}",
        f"temporal worker deployment set-current-version {named}",
    )


async def check_backlog(context: CheckContext) -> Verdict:
    """What waits for a worker, and whether more comes than goes."""
    said, late = [], False
    for word, kind in KINDS.items():
        stats = (await describe_task_queue(context, kind)).stats
        if not (count := stats.approximate_backlog_count):
            continue
        age = stats.approximate_backlog_age.ToTimedelta()
        late = late or age > LONG_WAIT
        rates = f"{stats.tasks_add_rate:.1f} come and {stats.tasks_dispatch_rate:.1f} go a second"
        growing = "growing" if stats.tasks_add_rate > stats.tasks_dispatch_rate else "not growing"
        said.append(
            f"{many(count, f'{word} task waits', f'{word} tasks wait')}, the first for {span(age)}; {growing}: {rates}"
        )
    if not said:
        return ok("no task waits for a worker")
    if not late:
        return ok("; ".join(said))
    return warning(
        f"backlog: {'; '.join(said)}",
        "start more workers (`trenova worker --processes N`), and see that the database is not what they wait for: "
        "docs/outages.md",
    )


async def check_open_batches(context: CheckContext) -> Verdict:
    """Accepted entries are stored within milliseconds, so a batch that stays open is a sign."""
    before = (datetime.now(UTC) - LONG_OPEN).isoformat()
    every = (await context.client.count_workflows(BATCHES)).count
    old = (await context.client.count_workflows(f"{BATCHES} AND StartTime < '{before}'")).count
    if old:
        return warning(
            f"{old:,} of {many(every, 'batch', 'batches')} accepted over {span(LONG_OPEN)} ago and not stored",
            "mend what else is named here (workers, database, keys); nothing is lost, and they go on by themselves",
        )
    return ok(f"{many(every, 'batch is', 'batches are')} being stored, none for more than {span(LONG_OPEN)}")


async def check_storing(context: CheckContext) -> Verdict:
    """Why batches that were tried wait for another try, as their workers tell Temporal while they wait."""
    waiting: dict[str, str] = {}
    async for run in context.client.list_workflows(BATCHES, limit=MOST_BATCHES):
        if reason := await reason_for_waiting(context, run.id, run.run_id):
            waiting.setdefault(reason, run.id)
    if not waiting:
        return ok("no batch waits for another attempt")
    named = "; ".join(f"{reason} ({id_})" for reason, id_ in list(waiting.items())[:SHOWN])
    return failed(
        f"workers cannot store: {named}",
        "where it is ok from here, compare the workers' database.url with this one, and look at their logs; nothing is "
        "lost: docs/outages.md",
    )


async def reason_for_waiting(context: CheckContext, workflow_id: str, run_id: str) -> str | None:
    """What the attempts at storing it have met; None where nothing is known to be wrong."""
    execution = WorkflowExecution(workflow_id=workflow_id, run_id=run_id)
    asked = DescribeWorkflowExecutionRequest(namespace=context.client.namespace, execution=execution)
    try:
        found = await context.client.workflow_service.describe_workflow_execution(asked)
        for attempt in found.pending_activities:
            said = await context.client.data_converter.decode(attempt.heartbeat_details.payloads)
            if said and said[0] != STORING:
                return str(said[0])
            if attempt.HasField("last_failure"):
                return describe_failure(await context.client.data_converter.decode_failure(attempt.last_failure))
    except (RPCError, errors.PayloadError):
        return None  # it has gone meanwhile; or is encrypted with another key, which others tell
    return None


async def check_stuck_workflows(context: CheckContext) -> Verdict:
    try:
        count = (await context.client.count_workflows(STUCK)).count
    except RPCError as error:
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            return unchecked("this Temporal server does not mark workflows that stand still (TemporalReportedProblems)")
        raise
    if not count:
        return ok("none")
    shown = [f"{id_} ({reason})" async for id_, reason in stuck_workflows(context)]
    return failed(
        f"{many(count, 'workflow stands', 'workflows stand')} still, failing again and again: {', '.join(shown)}",
        "a key: `trenova keys check`; anything else: look at the worker's log, and put the release back that ran them. "
        "They go on by themselves",
    )


async def stuck_workflows(context: CheckContext) -> AsyncIterator[tuple[str, str]]:
    """The first of them, each with why its last task failed."""
    async for found in context.client.list_workflows(STUCK, limit=SHOWN):
        reason = "unknown"
        for event in reversed(await read_events(context.client, found.id, found.run_id)):
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                failure = event.workflow_task_failed_event_attributes.failure
                try:
                    error = await context.client.data_converter.decode_failure(failure)
                except errors.PayloadError as unread:
                    reason = unread.message
                else:
                    reason = describe_failure(error)
                break
        yield found.id, reason


def describe_failure(error: BaseException) -> str:
    """The message of our own errors, which never hold content; of others only the type, since theirs may."""
    if not isinstance(error, ApplicationError) or error.type is None:
        return type(error).__name__
    if error.type in OUR_FAILURES:
        return error.message
    return SDK_FAILURES.get(error.type, error.type)


def hosts_of(identities: Sequence[str]) -> set[str]:
    """The machines: an identity is `pid@host`."""
    return {identity.rpartition("@")[2] for identity in identities}


CHECKS = (
    Check("workers", Kind.WORKER, check_workers, ("temporal namespace",)),
    Check("worker version", Kind.WORKER, check_worker_version, ("temporal namespace",)),
    Check("backlog", Kind.WORKER, check_backlog, ("temporal namespace",)),
    Check("open batches", Kind.WORKER, check_open_batches, ("temporal namespace",)),
    Check("storing", Kind.WORKER, check_storing, ("encryption keys", "temporal namespace")),
    Check("stuck workflows", Kind.WORKER, check_stuck_workflows, ("temporal namespace",)),
)
