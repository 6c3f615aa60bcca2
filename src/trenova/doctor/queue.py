"""The task queue: which workers poll it, what waits in it, and which workflows are stuck."""

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
from trenova.doctor.finding import Kind, Verdict, failure, not_checked, ok, warning
from trenova.doctor.temporal import measure_skew
from trenova.runtime.phrases import many, span
from trenova.worker.store_gate import STORING

KINDS = {
    "workflow": TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    "activity": TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
}
# A poll waits for a minute; Temporal lists a poller for five, dead or alive.
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
    "NotFoundError": "the workers have no workflow of its type, so they are of another release",
    "NondeterminismError": "its history was written by another release",
}
STOPPED = {WorkerStatus.WORKER_STATUS_SHUTTING_DOWN, WorkerStatus.WORKER_STATUS_SHUTDOWN}
EMPTY_NAMESPACE = "or correct temporal.namespace: no workflow has been started in this one"
START_WORKER = (
    "start one: `make run-worker`, or `trenova worker` with the API's settings; its log must say `worker started`"
)


class Version(NamedTuple):
    """The version of a worker; both fields are empty for an unversioned one."""

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
    """For each kind of task, the identities of the workers that have polled recently and not reported their stop."""
    skew, heartbeats = await asyncio.gather(temporal_skew(context), list_heartbeats(context.client))
    stopped = stopped_identities(heartbeats)
    now = datetime.now(UTC) + skew
    descriptions = await asyncio.gather(*(describe_task_queue(context, kind) for kind in KINDS.values()))
    return {
        kind: sorted({poller.identity for poller in description.pollers if has_polled_recently(poller, now)} - stopped)
        for kind, description in zip(KINDS, descriptions, strict=True)
    }


async def list_heartbeats(client: Client) -> list[WorkerHeartbeat]:
    """The last heartbeat of each worker, including those that ended within a day; empty if the server does not say."""
    request = ListWorkersRequest(namespace=client.namespace, query=f'TaskQueue="{TASK_QUEUE}"')
    heartbeats: list[WorkerHeartbeat] = []
    try:
        while True:
            page = await client.workflow_service.list_workers(request)
            heartbeats += [info.worker_heartbeat for info in page.workers_info]
            if not page.next_page_token:
                return heartbeats
            request.next_page_token = page.next_page_token
    except RPCError:
        return []  # an incomplete list does not show which workers have stopped


def stopped_identities(heartbeats: Sequence[WorkerHeartbeat]) -> set[str]:
    """The identities of workers that reported their stop, unless another worker runs under the same identity.

    An identity is `pid@host`: in a restarted container the new worker has the identity of the old one.
    """
    running = {beat.worker_identity for beat in heartbeats if beat.status not in STOPPED}
    return {beat.worker_identity for beat in heartbeats} - running


def start_times(heartbeats: Iterable[WorkerHeartbeat]) -> dict[str, datetime]:
    """When the newest worker of each identity started, by its machine's clock."""
    newest: dict[str, datetime] = {}
    for beat in heartbeats:
        started = beat.start_time.ToDatetime(tzinfo=UTC)
        newest[beat.worker_identity] = max(started, newest.get(beat.worker_identity, started))
    return newest


async def temporal_skew(context: CheckContext) -> timedelta:
    try:
        return await measure_skew(context.client, lambda: datetime.now(UTC))
    except (RPCError, TimeoutError):
        return timedelta(0)  # unknown without the right to poll; the check of the database's clock still finds a skew


def has_polled_recently(poller: PollerInfo, now: datetime) -> bool:
    return now - poller.last_access_time.ToDatetime(tzinfo=UTC) < POLLED_WITHIN


async def check_workers(context: CheckContext) -> Verdict:
    """Queries the workers as well, since Temporal lists those that polled recently, dead or alive."""
    polling_for = await list_pollers(context)
    missing = [kind for kind, identities in polling_for.items() if not identities]
    if len(missing) == len(polling_for):
        is_empty = await worker_queries.find_workflow_to_query(context.client) is None
        return failure(
            f"No Workers polling the {TASK_QUEUE} Task Queue",
            f"{START_WORKER}; {EMPTY_NAMESPACE}" if is_empty else START_WORKER,
        )
    answers = await context.workers.answers()
    silent = answers.silent if answers else 0
    if answers and silent and not answers.answer_count:
        listed = sorted({*polling_for["workflow"], *polling_for["activity"]})
        return failure(
            f"no worker answers on the {TASK_QUEUE} Task Queue: {', '.join(listed[:SHOWN])} polled recently, but "
            f"no query was answered within {worker_queries.ANSWER_LIMIT_S:g} s: stopped, killed, frozen or overloaded",
            f"{START_WORKER}; if its process exists, check whether it is stopped (state T in `ps`) or overloaded",
        )
    if missing:
        return failure(
            f"workers poll the {TASK_QUEUE} Task Queue, but none of them for {missing[0]} tasks",
            "look at the workers' logs: they may be stopping, or at their limit; otherwise start another worker",
        )
    polling = f"{many(len(polling_for['workflow']), 'worker polls', 'workers poll')} {TASK_QUEUE}"
    if silent:
        return warning(
            f"{polling}, but not all of them answer: {silent} of {worker_queries.QUERIES} queries were not answered "
            f"within {worker_queries.ANSWER_LIMIT_S:g} s",
            "look for a killed or frozen worker: `temporal worker list`, the workers' logs, and the load of their "
            "machines",
        )
    return ok(f"{polling} for workflows and activities")


async def check_worker_version(context: CheckContext) -> Verdict:
    """With worker versioning, Temporal gives work only to the current version, whichever others poll."""
    description = await describe_task_queue(context, KINDS["workflow"])
    if not description.pollers:
        return ok("no worker polls")
    versioned = WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED
    options = [poller.deployment_options for poller in description.pollers]
    polling = {
        Version(each.deployment_name, each.build_id) for each in options if each.worker_versioning_mode == versioned
    }
    current_version = description.versioning_info.current_deployment_version
    current = Version(current_version.deployment_name, current_version.build_id)
    if current in polling or (not current and len(polling) < len(options)):
        return ok(f"work goes to {current or 'unversioned workers, which poll'}")
    if not polling:
        return failure(
            f"work goes only to version {current}, but the workers that poll are unversioned",
            "start workers with worker.deploymentName, or turn versioning off: temporal worker deployment "
            f"set-current-version --deployment-name {current.deployment} --unversioned",
        )
    newest = max(polling)
    flags = f"--deployment-name {newest.deployment} --build-id {newest.build_id}"
    return failure(
        f"workers of version {', '.join(map(str, sorted(polling)))} poll but get no work: the current version is "
        f"{current or 'none'}",
        f"temporal worker deployment set-current-version {flags}",
    )


async def check_backlog(context: CheckContext) -> Verdict:
    """How many tasks wait for a worker, and whether their number grows."""
    backlogs, is_late = [], False
    for name, kind in KINDS.items():
        stats = (await describe_task_queue(context, kind)).stats
        if not (count := stats.approximate_backlog_count):
            continue
        age = stats.approximate_backlog_age.ToTimedelta()
        is_late = is_late or age > LONG_WAIT
        rates = f"{stats.tasks_add_rate:.1f} arrive and {stats.tasks_dispatch_rate:.1f} start per second"
        growing = "growing" if stats.tasks_add_rate > stats.tasks_dispatch_rate else "not growing"
        waiting = many(count, f"{name} task waits", f"{name} tasks wait")
        backlogs.append(f"{waiting}, the first for {span(age)}; {growing}: {rates}")
    if not backlogs:
        return ok("no task waits for a worker")
    if not is_late:
        return ok("; ".join(backlogs))
    return warning(
        f"backlog: {'; '.join(backlogs)}",
        "start more workers (`trenova worker --processes N`), unless they all wait for the database: docs/outages.md",
    )


async def check_open_batches(context: CheckContext) -> Verdict:
    """Entries are normally stored within milliseconds, so a batch that stays open is a sign of a problem."""
    before = (datetime.now(UTC) - LONG_OPEN).isoformat()
    total = (await context.client.count_workflows(BATCHES)).count
    old = (await context.client.count_workflows(f"{BATCHES} AND StartTime < '{before}'")).count
    if old:
        return warning(
            f"{old:,} of {many(total, 'open batch', 'open batches')} accepted over {span(LONG_OPEN)} ago, not stored",
            "fix the other problems named here (workers, database, keys); nothing is lost, and storing continues by "
            "itself",
        )
    if not total:
        return ok("no batch waits to be stored")
    return ok(f"{many(total, 'batch is', 'batches are')} being stored, none for more than {span(LONG_OPEN)}")


async def check_storing(context: CheckContext) -> Verdict:
    """Why batches wait for another attempt, as their workers report to Temporal."""
    waiting: dict[str, str] = {}
    async for run in context.client.list_workflows(BATCHES, limit=MOST_BATCHES):
        if reason := await reason_for_waiting(context, run.id, run.run_id):
            waiting.setdefault(reason, run.id)
    if not waiting:
        return ok("no batch waits for another attempt")
    reasons = "; ".join(f"{reason} ({id_})" for reason, id_ in list(waiting.items())[:SHOWN])
    return failure(
        f"workers cannot store: {reasons}",
        "if the database is ok from here, compare the workers' database.url with this one, and look at their logs; "
        "nothing is lost: docs/outages.md",
    )


async def reason_for_waiting(context: CheckContext, workflow_id: str, run_id: str) -> str | None:
    """Why the attempts to store the batch failed; None if nothing is known to be wrong."""
    execution = WorkflowExecution(workflow_id=workflow_id, run_id=run_id)
    request = DescribeWorkflowExecutionRequest(namespace=context.client.namespace, execution=execution)
    try:
        description = await context.client.workflow_service.describe_workflow_execution(request)
        for attempt in description.pending_activities:
            details = await context.client.data_converter.decode(attempt.heartbeat_details.payloads)
            if details and details[0] != STORING:
                return str(details[0])
            if attempt.HasField("last_failure"):
                return describe_failure(await context.client.data_converter.decode_failure(attempt.last_failure))
    except (RPCError, errors.PayloadError):
        return None  # it has just closed, or is encrypted with another key, which the checks of the keys report
    return None


async def check_stuck_workflows(context: CheckContext) -> Verdict:
    try:
        count = (await context.client.count_workflows(STUCK)).count
    except RPCError as error:
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            return not_checked("this Temporal server does not mark stuck workflows (TemporalReportedProblems)")
        raise
    if not count:
        return ok("none")
    named = [f"{id_} ({reason})" async for id_, reason in stuck_workflows(context)]
    return failure(
        f"{many(count, 'workflow is', 'workflows are')} failing repeatedly: {', '.join(named)}",
        "if it is about a key: `trenova keys check`; otherwise look at the worker's log, and go back to the release "
        "that ran them. They then continue by themselves",
    )


async def stuck_workflows(context: CheckContext) -> AsyncIterator[tuple[str, str]]:
    """The ids of some stuck workflows, each with the reason why its last task failed."""
    async for run in context.client.list_workflows(STUCK, limit=SHOWN):
        reason = "unknown"
        for event in reversed(await read_events(context.client, run.id, run.run_id)):
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                failure = event.workflow_task_failed_event_attributes.failure
                try:
                    error = await context.client.data_converter.decode_failure(failure)
                except errors.PayloadError as unread:
                    reason = unread.message
                else:
                    reason = describe_failure(error)
                break
        yield run.id, reason


def describe_failure(error: BaseException) -> str:
    """The message of one of our errors, which never has content of entries; only the type of any other error."""
    if not isinstance(error, ApplicationError) or error.type is None:
        return type(error).__name__
    if error.type in OUR_FAILURES:
        return error.message
    return SDK_FAILURES.get(error.type, error.type)


def hosts_of(identities: Sequence[str]) -> set[str]:
    """The machines of workers: an identity is `pid@host`."""
    return {identity.rpartition("@")[2] for identity in identities}


CHECKS = (
    Check("workers", Kind.WORKER, check_workers, ("temporal namespace",)),
    Check("worker version", Kind.WORKER, check_worker_version, ("temporal namespace",)),
    Check("backlog", Kind.WORKER, check_backlog, ("temporal namespace",)),
    Check("open batches", Kind.WORKER, check_open_batches, ("temporal namespace",)),
    Check("storing", Kind.WORKER, check_storing, ("encryption keys", "temporal namespace")),
    Check("stuck workflows", Kind.WORKER, check_stuck_workflows, ("temporal namespace",)),
)
