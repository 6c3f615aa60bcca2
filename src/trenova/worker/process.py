"""The worker process, from its start to its last finished activity."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import structlog
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkerDeploymentConfig

from trenova.activities import (
    AuditActivities,
    DeadLetterActivities,
    ReconciliationActivities,
    RetentionActivities,
    VerificationActivities,
)
from trenova.codec.key_usage.watch import KeyWatch
from trenova.config import TASK_QUEUE, Settings, WorkerSettings
from trenova.errors import TrenovaError, Unavailable
from trenova.keys.signing import load_signer
from trenova.publishing import publisher
from trenova.publishing.witnesses import witnesses_of
from trenova.reconciliation import Reconciler
from trenova.runtime import bootstrap, connection
from trenova.runtime.connection import connect
from trenova.runtime.heap import keep_collecting
from trenova.runtime.process import database_url, run_to_end
from trenova.runtime.systemd import READY, STOPPING, ServiceManager
from trenova.store import Store
from trenova.worker import health_page, records, schedules
from trenova.worker.attempt_log import AttemptLog
from trenova.worker.exclusive import ExclusiveActivities
from trenova.worker.metrics import set_database_status
from trenova.worker.parent import Parent
from trenova.worker.polls import wait_for_polls
from trenova.worker.readiness import Readiness, checks_of
from trenova.worker.store_gate import StoreGate
from trenova.worker.tuning import pollers_of, tuner_of
from trenova.worker.verification import StoredLedgers
from trenova.workflows import (
    ProcessAuditBatchWorkflow,
    ReconcileWorkflow,
    RetentionWorkflow,
    RetryDeadLettersWorkflow,
    VerifyLogsWorkflow,
)

log = structlog.get_logger()

RETRY_AFTER_S = 2
# The share of workflow task pollers for new runs. By default the SDK keeps four of five for the sticky queue, which
# gets the later tasks of a run: a batch has only one task, the first.
NEW_SHARE = 0.8
# The SDK raises a plain RuntimeError with this text, without a type or a code, when its call at the start of a worker
# fails.
NOT_VALIDATED = "Worker validation failed"

Result = TypeVar("Result")


def run(settings: Settings, environ: Mapping[str, str]) -> None:
    """Work until SIGTERM or Ctrl-C, then finish the running activities. `environ` holds the keys."""
    run_to_end(run_worker(settings, environ))


async def run_worker(settings: Settings, environ: Mapping[str, str]) -> None:
    process = bootstrap.start("worker", settings, environ, sdk_metrics=settings.worker.health.port is not None)
    url, stop = process.database_url, process.stop
    signer = load_signer(settings, environ)
    witnesses = witnesses_of(settings.ledger)
    parent = Parent.from_environ(environ)
    parent.watch(stop.set)
    readiness = Readiness()
    async with AsyncExitStack() as resources:
        # Served from the start, so that the pages show what the worker waits for.
        pages = health_page.Pages(readiness, process.sdk)
        await resources.enter_async_context(health_page.serve(settings.worker.health, pages))
        store = await resources.enter_async_context(
            Store.open(url, pool_size=settings.database.pool_size, signer=signer, limits=settings.limits)
        )
        await retry_while_unavailable(lambda: check_store(store), stop)
        if signed := await retry_while_unavailable(store.checkpoints.sign_anew, stop):
            log.info("checkpoints signed again", logs=signed)
        observers = Observers(readiness, process.manager, parent)

        async def connect_and_poll() -> None:
            """Each attempt reads the certificates again and creates a new SDK worker."""
            with show_in_readiness(readiness):
                client = await connect(settings.temporal, process.converter, runtime=process.sdk.runtime)
                async with publisher.publishing(settings.ledger, witnesses, url):
                    await poll_or_explain(client, store, settings, stop, observers)

        await retry_while_unavailable(connect_and_poll, stop)


@dataclass(frozen=True, slots=True)
class Observers:
    """The parts that are informed about the state of the worker."""

    readiness: Readiness
    manager: ServiceManager
    parent: Parent


async def poll_or_explain(
    client: Client, store: Store, settings: Settings, stop: asyncio.Event, observers: Observers
) -> None:
    """Poll until `stop` is set, then drain.

    Raises TemporalUnreachable or TemporalDenied when the SDK's first call fails, and TrenovaError when the worker or a
    background task fails unexpectedly; each such error is logged.
    """
    try:
        # In its own task, since the SDK cancels the task in which a worker fails.
        await asyncio.create_task(poll(client, store, settings, stop, observers))
    except ExceptionGroup as failures:
        for failure in failures.exceptions:
            if isinstance(failure, RuntimeError) and str(failure).startswith(NOT_VALIDATED):
                raise await connection.explain(client, failure) from None
        for failure in failures.exceptions:
            log.error("worker task failed", exc_info=failure)  # noqa: TRY400 - each with its own cause
        raise TrenovaError(
            "the worker stopped because a part of it failed",
            hint="the log shows the part and its error before this; report it, and start the worker again",
        ) from None


async def poll(client: Client, store: Store, settings: Settings, stop: asyncio.Event, observers: Observers) -> None:
    """Raises an exception group when the worker or a background task fails; the others are cancelled then."""
    gate = StoreGate()
    worker = create_worker(client, store, settings, gate)
    async with asyncio.TaskGroup() as background:
        until_drained = [
            background.create_task(keep_collecting()),
            background.create_task(observers.manager.send_keepalives()),
            background.create_task(records.keep_appending(store.records)),
        ]
        async with worker:
            # Dying from here on costs nothing: Temporal gives the tasks of a lost worker to another.
            until_stop = [
                background.create_task(announce(client, settings, observers)),
                background.create_task(observers.readiness.watch(checks_of(client, store, worker, gate))),
                background.create_task(KeyWatch(client).watch()),
            ]
            await stop.wait()
            observers.readiness.stopping = True
            observers.manager.notify(STOPPING)
            for task in until_stop:
                task.cancel()
            log.info("worker draining", seconds=settings.worker.drain_seconds)
        for task in until_drained:
            task.cancel()
    log.info("worker stopped")


def create_worker(client: Client, store: Store, settings: Settings, gate: StoreGate | None = None) -> Worker:
    size = settings.worker
    witnesses = tuple(each.key for each in witnesses_of(settings.ledger))
    stored = StoredLedgers(database_url(settings), store.checkpoints.signer, witnesses)
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[
            ProcessAuditBatchWorkflow,
            ReconcileWorkflow,
            RetentionWorkflow,
            RetryDeadLettersWorkflow,
            VerifyLogsWorkflow,
        ],
        activities=[
            AuditActivities(store.entries).store_batch,
            DeadLetterActivities(store.dead_letters).retry_dead_letters,
            ReconciliationActivities(Reconciler(client, store.entries, store.reconciliation)).reconcile,
            RetentionActivities(store.removals).remove_expired,
            VerificationActivities(stored).verify_logs,
        ],
        # A sandbox per run took a third of the time of small batches. The tests run the workflows in one.
        workflow_runner=UnsandboxedWorkflowRunner(),
        interceptors=[ExclusiveActivities(), gate or StoreGate(), AttemptLog()],
        # Eager activities bypass the task queue, so new batches would overtake old ones.
        disable_eager_activity_execution=True,
        tuner=tuner_of(size),
        workflow_task_poller_behavior=pollers_of(
            size.max_concurrent_workflow_task_pollers, size.max_autoscaled_pollers
        ),
        nonsticky_to_sticky_poll_ratio=NEW_SHARE,
        activity_task_poller_behavior=pollers_of(
            size.max_concurrent_activity_task_pollers, size.max_autoscaled_pollers
        ),
        graceful_shutdown_timeout=timedelta(seconds=size.drain_seconds),
        deployment_config=deployment_config_of(size),
    )


def deployment_config_of(worker: WorkerSettings) -> WorkerDeploymentConfig | None:
    """Runs move to the current version: a run may wait for days, longer than old workers should have to stay."""
    if worker.deployment_name is None:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name=worker.deployment_name, build_id=worker.build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )


async def announce(client: Client, settings: Settings, observers: Observers) -> None:
    """Log `worker started` once the server has seen this worker poll; then keep the schedules up to date."""
    await wait_for_polls(client, TASK_QUEUE)
    observers.manager.notify(READY)
    observers.parent.report_started()
    log.info(
        "worker started",
        task_queue=TASK_QUEUE,
        namespace=settings.temporal.namespace,
        address=settings.temporal.host_port,
        identity=client.identity,
        pid=os.getpid(),
    )
    await schedules.keep_schedules(client)


@contextmanager
def show_in_readiness(readiness: Readiness) -> Iterator[None]:
    """Show in readiness why the worker cannot poll: its own checks run only while it polls."""
    try:
        yield
    except Unavailable as error:
        readiness.results["polls"].status = error.message
        raise


async def check_store(store: Store) -> None:
    """Check the store and show the result on the metrics page: readiness checks it only while the worker polls."""
    try:
        await store.check()
    except Unavailable as error:
        set_database_status(error.message)
        raise
    set_database_status("ok")


async def retry_while_unavailable(attempt: Callable[[], Awaitable[Result]], stop: asyncio.Event) -> Result | None:
    """The result of the attempt, repeated while a part is unavailable; None if `stop` is set first."""
    while not stop.is_set():
        try:
            return await attempt()
        except Unavailable as error:
            log.warning("waiting", error=error.message, hint=error.hint)
        try:
            async with asyncio.timeout(RETRY_AFTER_S):
                await stop.wait()
        except TimeoutError:
            continue
    return None
