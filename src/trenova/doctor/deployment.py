"""The boxes of the deployment checklist that `trenova doctor` has no check for, each ticked by doing it."""

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
from trenova.doctor.finding import Kind, Verdict, failed, ok, warning
from trenova.doctor.phrases import many, span
from trenova.errors import PlaintextRefused
from trenova.keys.key import Key
from trenova.keys.loading import load_keyring
from trenova.runtime.connection import connect
from trenova.store import server_status
from trenova.workflows import ProcessAuditBatchWorkflow

DEVELOPMENT_STORE = "sqlite"
ENOUGH_WORKERS = 2
# The result of the nightly verification is read from its closed workflow, and a weekend should not hide it.
SHORTEST_RETENTION = timedelta(days=3)
# Of 32 random bytes fewer are alike than this but once in 10^14 times.
FEWEST_DISTINCT_BYTES = 20
PLAIN_BATCHES = 4
COMMAND_S = 60.0
WORKFLOW_S = encryption_check.WAIT_S + 30
OTHERS_MAY_READ = stat.S_IROTH
ARCHIVED_WITHIN = timedelta(days=1)
MAKE_KEY = "make a random one: `trenova keys generate` (or openssl rand -base64 32), and rotate: docs/encryption.md"


async def check_cluster(context: CheckContext) -> Verdict:
    try:
        found = await context.client.workflow_service.get_cluster_info(GetClusterInfoRequest())
    except RPCError:
        return ok("a server that does not tell where it keeps its state, as Temporal Cloud")
    if found.persistence_store == DEVELOPMENT_STORE:
        return failed(
            "this is Temporal's development server, whose state is a SQLite file on one disk",
            "point temporal.hostPort at Temporal Cloud or at a cluster with PostgreSQL",
        )
    return ok(f"keeps its state in {found.persistence_store}")


async def check_namespace_retention(context: CheckContext) -> Verdict:
    name = context.settings.temporal.namespace
    days = (await temporal.describe_namespace(context)).config.workflow_execution_retention_ttl.ToTimedelta()
    if days < SHORTEST_RETENTION:
        return failed(
            f"the namespace {name} forgets closed workflows after {span(days)}, expected {span(SHORTEST_RETENTION)}",
            f"temporal operator namespace update --retention 72h --namespace {name}",
        )
    return ok(f"closed workflows are kept for {span(days)}")


async def check_origin(context: CheckContext) -> Verdict:
    found = context.settings.ledger.origin
    if found == LedgerSettings().origin:
        return failed(
            f"ledger.origin is still {found}, and it will stand in every signed checkpoint",
            "set it to where the logs will be served, before the first entry: docs/configuration.md",
        )
    return ok(f"the logs are those of {found}")


async def check_secret_files(context: CheckContext) -> Verdict:
    """Files with keys, which nobody else on this machine should read."""
    settings = context.settings
    folder = settings.temporal.security.key_folder
    kept = [
        settings.ledger.signing_key_file,
        settings.temporal.security.master_key_file,
        settings.temporal.tls.key_file,
        *(sorted(folder.iterdir()) if folder else []),
    ]
    files = [file for file in kept if file is not None and file.is_file()]
    if open_ones := [file for file in files if is_world_readable(file)]:
        return failed(f"everybody on this machine may read {open_ones[0]}", f"chmod o-r {open_ones[0]}")
    return ok(f"{many(len(files), 'file', 'files')} with keys, which others on this machine may not read")


def is_world_readable(file: Path) -> bool:
    return bool(file.stat().st_mode & OTHERS_MAY_READ)


async def check_key_strength(context: CheckContext) -> Verdict:
    ring = load_keyring(context.settings.temporal.security, context.options.environ)
    if ring.encrypting_id is None:
        return failed("encryption is off, so no key encrypts", "set temporal.security.enableEncryption: true")
    key = ring.keys[ring.encrypting_id]
    if problem := weakness(key):
        return failed(f"the key {key.id} {problem}", MAKE_KEY)
    return ok(f"the key {key.id} is 32 bytes ({key.form}) that look random")


def weakness(key: Key) -> str | None:
    """What makes it easier to guess than 32 random bytes; None where nothing can be seen."""
    if key.form == "text":
        return "is made from text, and nobody can tell how hard that is to guess"
    if all(0x20 <= byte < 0x7F for byte in key.secret):  # noqa: PLR2004 - printable ASCII
        return "is 32 characters of text: at best 192 bits, and perhaps words"
    # 43 letters and dashes are read as base64, whatever they were meant to be; random bytes have capitals in theirs.
    written = base64.b64encode(key.secret).decode()
    if key.form == "base64" and written in {written.lower(), written.upper()}:
        return "is 43 letters and signs that are base64 by chance: words, it seems"
    if len(set(key.secret)) < FEWEST_DISTINCT_BYTES:
        return f"has only {len(set(key.secret))} different bytes: it is not random"
    return None


async def check_encryption(context: CheckContext) -> Verdict:
    found = await encryption_check.verify(context.settings)
    if found.problems:
        return failed("; ".join(found.problems), "`trenova verify-encryption` shows it; docs/encryption.md")
    return ok(f"ran {found.workflow_id}: all {found.payloads} payloads in its history are encrypted")


async def check_plain_text_refused(context: CheckContext) -> Verdict:
    """Send what an intruder could: a batch in plain text. It is empty, so a worker that takes it stores nothing."""
    step = "set temporal.security.requireEncryption: true for the API and every worker, and start them again"
    codec = context.client.data_converter.payload_codec
    assert codec is not None, "our converters always have one"
    try:
        await codec.decode([Payload(metadata={"encoding": b"json/plain"}, data=b"{}")])
    except PlaintextRefused:
        pass
    else:
        return failed(
            "temporal.security.requireEncryption is off: whoever reaches Temporal may send plain entries", step
        )
    plain = await connect(context.settings.temporal, DataConverter.default)
    for ending in await asyncio.gather(*(send_plain_text(plain) for _ in range(PLAIN_BATCHES))):
        if ending != PlaintextRefused.failure_type:
            return failed(f"a worker was sent a batch in plain text and did not refuse it ({ending})", step)
    return ok(
        f"this program and the workers refused a plain payload; {PLAIN_BATCHES} empty batches were sent and terminated"
    )


async def send_plain_text(plain: Client) -> str:
    """What became of it: the type of the failure, or `taken`."""
    handle = await plain.start_workflow(
        "ProcessAuditBatchWorkflow",
        {"batch_id": "", "entries": []},
        id=f"trenova-preflight-{uuid.uuid4()}",
        task_queue=TASK_QUEUE,
        # Also if this program dies on the next line, the workflow does not wait for ever.
        execution_timeout=timedelta(minutes=5),
    )
    try:
        async for event in handle.fetch_history_events(wait_new_event=True):
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                return event.workflow_task_failed_event_attributes.failure.application_failure_info.type
    finally:
        with suppress(RPCError):
            await handle.terminate("trenova preflight has seen what becomes of plain text")
    return "taken"


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
    return ok(f"{handle.id} came back after {took:.2f} s with {result.stored} stored, as an empty batch should")


async def check_two_workers(context: CheckContext) -> Verdict:
    found = await queue.list_pollers(context)
    both = set(found["workflow"]) & set(found["activity"])
    if len(both) < ENOUGH_WORKERS:
        return failed(
            f"{many(len(both), 'worker polls', 'workers poll')} {TASK_QUEUE}; expected {ENOUGH_WORKERS}: one may fail",
            "start another, on another machine: `trenova worker`",
        )
    hosts = queue.hosts_of(sorted(both))
    if len(hosts) == 1:
        return warning(f"{len(both)} workers poll, all of them on {hosts.pop()}", "run one on another machine")
    return ok(f"{len(both)} workers poll, on {len(hosts)} machines")


async def check_monitoring(context: CheckContext) -> Verdict:
    """That there is something to scrape. Whether anybody does, and is woken by it, cannot be seen from here."""
    if context.options.api_key is None:
        return failed(
            "no API key was given, and /metrics asks for one", "set TRENOVA_API_KEY to a reader's of any tenant"
        )
    answer = await context.api.get("/metrics")
    if answer.status_code != HTTPStatus.OK:
        return failed(
            f"/metrics answers {answer.status_code}",
            "give the API key of a reader for any tenant: trenova api-key create --any-tenant --role reader",
        )
    count = sum(line.startswith("# TYPE trenova_") for line in answer.text.splitlines())
    if not count:
        return failed("/metrics tells nothing of Trenova", "see that --api-url is the API's, and no other server's")
    if context.settings.worker.health.port is None:
        return failed(
            "worker.health.port is not set, so workers with these settings show no metrics, and some alerts need them",
            "set it, and have every worker's page scraped: docs/monitoring.md",
        )
    return ok(
        f"the API shows {count} metrics of ours, and workers with these settings have a page; whether anybody is "
        "woken by them cannot be seen from here"
    )


async def check_backups(context: CheckContext) -> Verdict:
    """What can be seen of backups; that one can be restored only a restore shows."""
    if context.options.backup_check is not None:
        return await run_backup_check(context.options.backup_check)
    found = await server_status.archiving(context.store.pool)
    step = "set continuous archiving up, or name your own check: --backup-check 'pgbackrest --stanza=main check'"
    if not found.is_on:
        return failed("PostgreSQL's archive_mode is off, and no --backup-check was given: no backup can be seen", step)
    if found.failed_at and (found.archived_at is None or found.failed_at > found.archived_at):
        return failed(f"archiving has failed at {found.failed_at:%Y-%m-%d %H:%M} UTC, and not worked since", step)
    if found.archived_at is None or datetime.now(UTC) - found.archived_at > ARCHIVED_WITHIN:
        return warning("archive_mode is on, and nothing was archived within a day", step)
    ago = span(datetime.now(UTC) - found.archived_at)
    return ok(f"the write-ahead log was archived {ago} ago; that a restore works only a restore shows")


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
        return failed(f"the command of --backup-check ended with {code}", "run it by hand, and mend the backup")
    return ok("the command of --backup-check ended well; that a restore works only a restore shows")


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
