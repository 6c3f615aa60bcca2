"""The checks that only `trenova preflight` has: the deployment checklist, each item checked by trying it."""

import asyncio
import base64
import stat
import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import GetClusterInfoRequest
from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.service import RPCError

from trenova.config import TASK_QUEUE, LedgerSettings
from trenova.doctor import encryption_check, queue, temporal
from trenova.doctor.checkup import Check
from trenova.doctor.context import CheckContext
from trenova.doctor.finding import Kind, Verdict, failure, ok, warning
from trenova.errors import PlaintextRefused
from trenova.keys.key import Key
from trenova.keys.loading import load_keyring
from trenova.runtime.connection import connect
from trenova.runtime.phrases import many, span
from trenova.store import server_status
from trenova.workflows import ProcessAuditBatchWorkflow

DEVELOPMENT_STORE = "sqlite"
ENOUGH_WORKERS = 2
# The result of the nightly verification is read from its closed workflow, which must outlast a weekend.
SHORTEST_RETENTION = timedelta(days=3)
# 32 random bytes have fewer distinct values than this only once in 10^14 times.
FEWEST_DISTINCT_BYTES = 20
PLAIN_BATCHES = 4
COMMAND_S = 60.0
WORKFLOW_S = encryption_check.WAIT_S + 30
OTHERS_MAY_READ = stat.S_IROTH
ARCHIVED_WITHIN = timedelta(days=1)
MAKE_KEY = "generate a random one (`trenova keys generate`, or openssl rand -base64 32), and rotate: docs/encryption.md"


async def check_cluster(context: CheckContext) -> Verdict:
    try:
        cluster = await context.client.workflow_service.get_cluster_info(GetClusterInfoRequest())
    except RPCError:
        return ok("does not say where it keeps its state, like Temporal Cloud")
    if cluster.persistence_store == DEVELOPMENT_STORE:
        return failure(
            "this is Temporal's development server, which keeps its state in a SQLite file on one disk",
            "point temporal.hostPort at Temporal Cloud or at a cluster with PostgreSQL",
        )
    return ok(f"keeps its state in {cluster.persistence_store}")


async def check_namespace_retention(context: CheckContext) -> Verdict:
    name = context.settings.temporal.namespace
    retention = (await temporal.describe_namespace(context)).config.workflow_execution_retention_ttl.ToTimedelta()
    if retention < SHORTEST_RETENTION:
        return failure(
            f"the namespace {name} keeps closed workflows for only {span(retention)}, expected at least "
            f"{span(SHORTEST_RETENTION)}",
            f"temporal operator namespace update --retention 72h --namespace {name}",
        )
    return ok(f"closed workflows are kept for {span(retention)}")


async def check_origin(context: CheckContext) -> Verdict:
    origin = context.settings.ledger.origin
    if origin == LedgerSettings().origin:
        return failure(
            f"ledger.origin is still {origin}, and will be part of every signed checkpoint",
            "set it to the address at which the ledgers will be served, before the first entry: docs/configuration.md",
        )
    return ok(f"is {origin}")


async def check_secret_files(context: CheckContext) -> Verdict:
    """Whether files with keys are protected from other users of this machine."""
    settings = context.settings
    folder = settings.temporal.security.key_folder
    configured = [
        settings.ledger.signing_key_file,
        settings.temporal.security.master_key_file,
        settings.temporal.tls.key_file,
        *(sorted(folder.iterdir()) if folder else []),
    ]
    files = [file for file in configured if file is not None and file.is_file()]
    if readable := [file for file in files if is_world_readable(file)]:
        return failure(f"every user of this machine may read {readable[0]}", f"chmod o-r {readable[0]}")
    return ok(f"{many(len(files), 'file', 'files')} with keys, not readable by other users of this machine")


def is_world_readable(file: Path) -> bool:
    return bool(file.stat().st_mode & OTHERS_MAY_READ)


async def check_key_strength(context: CheckContext) -> Verdict:
    ring = load_keyring(context.settings.temporal.security, context.options.environ)
    if ring.encrypting_id is None:
        return failure("encryption is off", "set temporal.security.enableEncryption: true")
    key = ring.keys[ring.encrypting_id]
    if problem := weakness(key):
        return failure(f"the key {key.id} {problem}", MAKE_KEY)
    return ok(f"the key {key.id} is 32 bytes ({key.form}) that look random")


def weakness(key: Key) -> str | None:
    """What makes a key easier to guess than 32 random bytes; None if no weakness is visible."""
    if key.form == "text":
        return "is made from text, which may be easy to guess"
    if all(0x20 <= byte < 0x7F for byte in key.secret):  # noqa: PLR2004 - printable ASCII
        return "is 32 characters of text: at most 192 bits, and perhaps words"
    # Any 43 letters and dashes can be read as base64. The base64 of random bytes has both upper and lower case.
    encoded = base64.b64encode(key.secret).decode()
    if key.form == "base64" and encoded in {encoded.lower(), encoded.upper()}:
        return "is text of 43 characters that is base64 by chance, and perhaps words"
    distinct = len(set(key.secret))
    if distinct < FEWEST_DISTINCT_BYTES:
        return f"has only {many(distinct, 'distinct byte', 'distinct bytes')}: it is not random"
    return None


async def check_encryption(context: CheckContext) -> Verdict:
    report = await encryption_check.verify(context.settings)
    if report.problems:
        return failure("; ".join(report.problems), "`trenova verify-encryption` shows the details: docs/encryption.md")
    return ok(f"ran {report.workflow_id}: all {report.payloads} payloads in its history are encrypted")


async def check_plain_text_refused(context: CheckContext) -> Verdict:
    """Sends batches in plain text, as an intruder could. They are empty, so a worker that runs one stores nothing."""
    step = "set temporal.security.requireEncryption: true for the API and every worker, and restart them"
    codec = context.client.data_converter.payload_codec
    assert codec is not None, "our converters always have a codec"
    try:
        await codec.decode([Payload(metadata={"encoding": b"json/plain"}, data=b"{}")])
    except PlaintextRefused:
        pass
    else:
        return failure(
            "temporal.security.requireEncryption is off: anyone who can reach Temporal may send entries in plain text",
            step,
        )
    plain = await connect(context.settings.temporal, DataConverter.default)
    for outcome in await asyncio.gather(*(send_plain_text(plain) for _ in range(PLAIN_BATCHES))):
        if outcome != PlaintextRefused.failure_type:
            return failure(f"a worker received a batch in plain text and did not refuse it ({outcome})", step)
    return ok(
        f"this program and the workers refused a plain payload; {PLAIN_BATCHES} empty batches were sent and terminated"
    )


async def send_plain_text(plain: Client) -> str:
    """The type of the failure with which a worker refused the batch, or `accepted`."""
    handle = await plain.start_workflow(
        "ProcessAuditBatchWorkflow",
        {"batch_id": "", "entries": []},
        id=f"trenova-preflight-{uuid.uuid4()}",
        task_queue=TASK_QUEUE,
        # So that the workflow does not stay open if this program dies on the next line.
        execution_timeout=timedelta(minutes=5),
    )
    try:
        async for event in handle.fetch_history_events(wait_new_event=True):
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                return event.workflow_task_failed_event_attributes.failure.application_failure_info.type
    finally:
        with suppress(RPCError):
            await handle.terminate("trenova preflight has seen whether plain text is refused")
    return "accepted"


async def check_workflow_runs(context: CheckContext) -> Verdict:
    handle = await context.client.start_workflow(
        ProcessAuditBatchWorkflow.run,
        id=f"trenova-preflight-{uuid.uuid4()}",
        task_queue=TASK_QUEUE,
        execution_timeout=timedelta(minutes=5),
    )
    before = datetime.now(UTC)
    result = await handle.result()
    took = (datetime.now(UTC) - before).total_seconds()
    return ok(f"{handle.id}, an empty batch, finished after {took:.2f} s with {result.stored} entries stored")


async def check_two_workers(context: CheckContext) -> Verdict:
    polling_for = await queue.list_pollers(context)
    both = set(polling_for["workflow"]) & set(polling_for["activity"])
    if len(both) < ENOUGH_WORKERS:
        return failure(
            f"{many(len(both), 'worker polls', 'workers poll')} {TASK_QUEUE}; expected {ENOUGH_WORKERS}: one may fail",
            "start another one, on another machine: `trenova worker`",
        )
    hosts = queue.hosts_of(sorted(both))
    if len(hosts) == 1:
        return warning(f"{len(both)} workers poll, all of them on {hosts.pop()}", "run one on another machine")
    return ok(f"{len(both)} workers poll, on {len(hosts)} machines")


async def check_monitoring(context: CheckContext) -> Verdict:
    """Whether there are metrics to scrape. Whether they are scraped, and alerts reach anyone, cannot be seen here."""
    if context.options.api_key is None:
        return failure(
            "no API key is given, but /metrics needs one", "set TRENOVA_API_KEY to the key of a reader for any tenant"
        )
    answer = await context.api.get("/metrics")
    if answer.status_code != HTTPStatus.OK:
        return failure(
            f"/metrics answered {answer.status_code}",
            "set TRENOVA_API_KEY to the key of a reader for any tenant: trenova api-key create --any-tenant --role "
            "reader",
        )
    count = sum(line.startswith("# TYPE trenova_") for line in answer.text.splitlines())
    if not count:
        return failure("/metrics has no metric of Trenova", "check that --api-url is the address of the API")
    if context.settings.worker.health.port is None:
        return failure(
            "worker.health.port is not set, so workers with these settings have no metrics, which some alerts need",
            "set it, and scrape every worker: docs/monitoring.md",
        )
    return ok(
        f"the API has {count} metrics, and workers with these settings have theirs; whether alerts reach anyone cannot "
        "be seen from here"
    )


async def check_backups(context: CheckContext) -> Verdict:
    """Whether backups are being made. Only a restore can show that one can be restored."""
    if context.options.backup_check is not None:
        return await run_backup_check(context.options.backup_check)
    archiving = await server_status.read_archiving(context.store.pool)
    step = "set up continuous archiving, or give a check of your own: --backup-check 'pgbackrest --stanza=main check'"
    if not archiving.is_on:
        return failure("no sign of backups: PostgreSQL's archive_mode is off, and no --backup-check is given", step)
    if archiving.failed_at and (archiving.archived_at is None or archiving.failed_at > archiving.archived_at):
        return failure(f"archiving failed at {archiving.failed_at:%Y-%m-%d %H:%M} UTC, and has not worked since", step)
    if archiving.archived_at is None or datetime.now(UTC) - archiving.archived_at > ARCHIVED_WITHIN:
        return warning("archive_mode is on, but nothing was archived within a day", step)
    ago = span(datetime.now(UTC) - archiving.archived_at)
    return ok(f"the write-ahead log was last archived {ago} ago; only a restore shows that a restore works")


async def run_backup_check(command: str) -> Verdict:
    process = await asyncio.create_subprocess_shell(
        command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
    if code:
        return failure(f"the command of --backup-check ended with {code}", "run it by hand, and fix the backup")
    return ok("the command of --backup-check ended with 0; only a restore shows that a restore works")


NEEDS_WORKERS = ("temporal namespace", "workers")
CHECKS = (
    Check("cluster", Kind.TEMPORAL, check_cluster, ("temporal dial",)),
    Check("namespace retention", Kind.TEMPORAL, check_namespace_retention, ("temporal namespace",)),
    Check("secret files", Kind.MACHINE, check_secret_files, ("encryption keys",)),
    Check("ledger origin", Kind.CONFIGURATION, check_origin),
    Check("key strength", Kind.KEYS, check_key_strength, ("encryption keys",)),
    Check("encryption", Kind.KEYS, check_encryption, ("key strength", *NEEDS_WORKERS), own_limit_s=WORKFLOW_S),
    Check(
        "plain text refused",
        Kind.KEYS,
        check_plain_text_refused,
        ("encryption keys", *NEEDS_WORKERS),
        own_limit_s=WORKFLOW_S,
    ),
    Check(
        "workflow executed",
        Kind.WORKER,
        check_workflow_runs,
        ("encryption keys", *NEEDS_WORKERS),
        own_limit_s=WORKFLOW_S,
    ),
    Check("two workers", Kind.WORKER, check_two_workers, ("workers",)),
    Check("monitoring", Kind.API, check_monitoring, ("api",)),
    Check("backups", Kind.DATABASE, check_backups, ("database",), own_limit_s=COMMAND_S),
)
