"""A worker from its start to its last finished activity."""

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
from trenova.errors import Unavailable
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
# Of the pollers for workflow tasks. The SDK keeps four of five for the sticky queue, where later tasks of a run come: a
# batch has one task, the first.
NEW_SHARE = 0.8
# What the SDK says, and raises as a RuntimeError, of a worker that it does not let begin.
NOT_VALIDATED = "Worker validation failed"

Result = TypeVar("Result")


def run(settings: Settings, environ: Mapping[str, str]) -> None:
    """Work until SIGTERM or Ctrl-C, then finish what is running and end. `environ` holds the keys."""
    run_to_end(run_worker(settings, environ))


async def run_worker(settings: Settings, environ: Mapping[str, str]) -> None:
    process = bootstrap.start("worker", settings, environ, sdk_metrics=settings.worker.health.port is not None)
    url, stop = process.database_url, process.stop
    signer = load_signer(settings, environ)
    witnesses = witnesses_of(settings.ledger)
    parent = Parent.of(environ)
    parent.watch(stop.set)
    readiness = Readiness()
    async with AsyncExitStack() as held:
        # From the first moment on: whoever asks is told what is waited for.
        pages = health_page.Pages(readiness, process.sdk)
        await held.enter_async_context(health_page.serve(settings.worker.health, pages))
        opened = Store.open(url, pool_size=settings.database.pool_size, signer=signer, limits=settings.limits)
        store = await held.enter_async_context(opened)
        await retry_while_unavailable(lambda: check_store(store), stop)
        if signed := await retry_while_unavailable(store.checkpoints.sign_anew, stop):
            log.info("checkpoints signed anew", logs=signed)
        watched = Observers(readiness, process.manager, parent)

        async def reached() -> None:
            """Connected anew each time: with the certificates that are there then, and as a worker new to the SDK."""
            with show_in_readiness(readiness):
                client = await connect(settings.temporal, process.converter, runtime=process.sdk.runtime)
                async with publisher.publishing(settings.ledger, witnesses, url):
                    await poll_or_explain(client, store, settings, stop, watched)

        await retry_while_unavailable(reached, stop)


@dataclass(frozen=True, slots=True)
class Observers:
    """Who is told how the worker is."""

    readiness: Readiness
    manager: ServiceManager
    parent: Parent


async def poll_or_explain(
    client: Client, store: Store, settings: Settings, stop: asyncio.Event, watched: Observers
) -> None:
    """As `poll`.

    Raises TemporalUnreachable or TemporalDenied where the SDK's look at the namespace fails at its start.
    """
    try:
        # The SDK cancels the task that it fails in: one of its own.
        await asyncio.create_task(poll(client, store, settings, stop, watched))
    except RuntimeError as error:
        if not str(error).startswith(NOT_VALIDATED):
            raise
        raise await connection.explain(client, error) from None


async def poll(client: Client, store: Store, settings: Settings, stop: asyncio.Event, watched: Observers) -> None:
    gate = StoreGate()
    worker = create_worker(client, store, settings, gate)
    beside = [
        asyncio.create_task(keep_collecting()),
        asyncio.create_task(watched.manager.send_keepalives()),
        asyncio.create_task(records.keep_appending(store.records)),
    ]
    started: list[asyncio.Task[None]] = []
    try:
        async with worker:
            # Dying from here on costs nothing: Temporal gives the tasks of a lost worker to another.
            started = [
                asyncio.create_task(announce(client, settings, watched)),
                asyncio.create_task(watched.readiness.watch(checks_of(client, store, worker, gate))),
                asyncio.create_task(KeyWatch(client).watch()),
            ]
            try:
                await stop.wait()
                watched.readiness.stopping = True
                watched.manager.notify(STOPPING)
            finally:
                for task in started:
                    task.cancel()
            log.info("worker draining", seconds=settings.worker.drain_seconds)
    finally:
        for task in beside:
            task.cancel()
        # Each is cancelled once, and waited for: the loop cancels whatever is left when it ends. A query whose
        # cancellation is cancelled raises that its connection is closed instead, which these tasks take for a database
        # that is away: they, and the process, would never end.
        await asyncio.gather(*started, *beside, return_exceptions=True)
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
        # A sandbox for each run took a third of the time of small batches. The tests run the workflow in one.
        workflow_runner=UnsandboxedWorkflowRunner(),
        interceptors=[ExclusiveActivities(), gate or StoreGate(), AttemptLog()],
        # A worker that takes the attempts of its own workflows past the queue would let new batches overtake old ones.
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
    """Runs move to the version that is current: one may wait for days, longer than old workers should have to stay."""
    if worker.deployment_name is None:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name=worker.deployment_name, build_id=worker.build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )


async def announce(client: Client, settings: Settings, watched: Observers) -> None:
    """Say `worker started` once the server has seen this worker poll, and not before; then see to the schedules."""
    await wait_for_polls(client, TASK_QUEUE)
    watched.manager.notify(READY)
    watched.parent.tell_started()
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
    """Why Temporal does not let the worker poll, in readiness: nobody else looks before it does."""
    try:
        yield
    except Unavailable as error:
        readiness.seen["polls"].said = error.message
        raise


async def check_store(store: Store) -> None:
    """As the store does it, and shown on the metrics page: nobody else looks before the worker polls."""
    try:
        await store.check()
    except Unavailable as error:
        set_database_status(error.message)
        raise
    set_database_status("ok")


async def retry_while_unavailable(attempt: Callable[[], Awaitable[Result]], stop: asyncio.Event) -> Result | None:
    """The attempt's result, tried again while a part is away; None when the process is told to stop first."""
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
