"""The encryption keys: whether each one works, and whether they fit open workflows, the API and the workers."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from prometheus_client.parser import text_string_to_metric_families
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowExecutionStatus

from trenova.codec.encryption import ENCRYPTED
from trenova.codec.key_usage.open_workflows import (
    NO_BATCH,
    PLAIN,
    OpenWorkflows,
    examine_open_workflows,
    payloads_by_key_id,
    payloads_in,
    read_events,
    unreadable_reason,
)
from trenova.codec.layer import encoding_of
from trenova.config import TASK_QUEUE
from trenova.doctor import queue
from trenova.doctor.checkup import Check
from trenova.doctor.context import CheckContext
from trenova.doctor.finding import Kind, Verdict, failure, not_checked, ok, warning
from trenova.doctor.worker_queries import Answers
from trenova.domain.batch import BATCH_WORKFLOW, is_api_batch
from trenova.domain.schedules import is_scheduled
from trenova.errors import DecryptionFailed, EncryptionKeyNotFound, InvalidConfiguration, PlaintextRefused
from trenova.keys.key import variable_of
from trenova.keys.keyring import Keyring
from trenova.keys.loading import load_keyring
from trenova.runtime.phrases import many, span

SHOWN, MOST_REASONS = 3, 6
# A batch that is stored at the first attempt has six events.
RETRIED_BATCHES = f"WorkflowType = '{BATCH_WORKFLOW}' AND TaskQueue = '{TASK_QUEUE}' AND "
RETRIED_BATCHES += "ExecutionStatus = 'Completed' AND HistoryLength > 6"
MOST_RETRIED = 50
MOST_OPEN = 10
# Histories are read one by one, and the doctor has only seconds.
MOST_HISTORIES = 100
IDS, FINGERPRINTS = "trenova_encryption_key_info", "trenova_encryption_key_fingerprint_info"
RECENTLY = timedelta(hours=1)
EARLIEST = datetime.min.replace(tzinfo=UTC)
KEY_FAILURES = {
    EncryptionKeyNotFound.failure_type: "does not have the key",
    DecryptionFailed.failure_type: "has another key than the sender",
    PlaintextRefused.failure_type: "refuses (requireEncryption) the plain text",
}
# How the problems of a wrong `encryptionKeyID` begin.
KEY_ID_SETTING = "encryptionKeyID"


async def check_configured_keys(context: CheckContext) -> Verdict:
    """Loading the keys encrypts and decrypts a payload with each of them."""
    security = context.settings.temporal.security
    try:
        ring = load_keyring(security, context.options.environ)
    except InvalidConfiguration as error:
        problems = "; ".join(error.problems)
        if any(problem.startswith(KEY_ID_SETTING) for problem in error.problems):
            problems = f"encryption key not found for ID: {security.encryption_key_id}: {problems}"
        return failure(problems, error.hint or "`trenova keys check --offline` lists the keys")
    if ring.encrypting_id is None:
        decrypting = many(len(ring.keys), "key decrypts", "keys decrypt") if ring.keys else "no key is configured"
        return ok(f"encryption is off; {decrypting}")
    others = len(ring.keys) - 1
    return ok(f"{ring.encrypting_id} encrypts and decrypts{f', and {others} more decrypt' if others else ''}")


async def check_open_workflows(context: CheckContext) -> Verdict:
    """Open workflows that these keys cannot decrypt, or whose input is not a batch."""
    work = await examine_open_workflows(context.client, most=MOST_HISTORIES)
    waits = [f"{reason} ({first_few(ids)})" for reason, ids in sorted(work.waiting.items())]
    if work.no_batches:
        waits.append(f"{NO_BATCH} ({first_few(work.no_batches)})")
    if waits:
        return failure(f"open workflows wait: {'; '.join(waits[:MOST_REASONS])}", " ".join(next_steps(work)))
    if not work.looked_at:
        return ok("no workflow is open")
    used = ", ".join(name for name in work.key_ids if name != PLAIN)
    return ok(
        f"{many(work.looked_at, 'open workflow needs', 'open workflows need')} {used or 'no key'}, and can be read"
    )


def next_steps(work: OpenWorkflows) -> Iterator[str]:
    """What to do if a key is missing, and if none is: then to find out who started the workflows."""
    missing = sorted(key_id for key_id in work.unreadable if key_id != PLAIN and key_id not in work.opened)
    if missing:
        yield (
            f"set {', '.join(map(variable_of, missing[:SHOWN]))} to the key that they were encrypted with, on every "
            "API and worker, and restart these; `trenova keys check` lists what is needed."
        )
    of_missing = {work.unreadable[key_id] for key_id in missing}
    foreign = [*work.no_batches, *(ids[0] for reason, ids in work.waiting.items() if reason not in of_missing)]
    which = foreign[0] if foreign else work.waiting[work.unreadable[missing[0]]][0]
    yield (
        f"{'' if foreign else 'If it was never a key of yours: '}find out who started them (`temporal workflow "
        f"describe --workflow-id {which}`), and terminate them: `temporal workflow terminate --workflow-id {which}`"
    )


async def check_keys_here(context: CheckContext) -> Verdict:
    """Whether these keys decrypt what the workers can decrypt, and what they encrypt."""
    answers = await context.workers.answers()
    if answers is None or not answers.replies:
        return ok("no worker has answered with a payload to compare")
    sent: list[Payload] = []
    # The input of a workflow that no worker completed may come from anyone; that of a schedule has plain attributes.
    if is_api_batch(answers.workflow.id) and answers.workflow.status is WorkflowExecutionStatus.COMPLETED:
        begun = await read_events(context.client, answers.workflow.id, answers.workflow.run_id or "")
        sent = [payload for event in begun[:1] for payload in payloads_in(event)]
    ring = load_keyring(context.settings.temporal.security, context.options.environ)
    # Checked before decrypting: in strict mode a plain payload is refused, which would look like a wrong key.
    if ring.encrypting_id is not None and any(encoding_of(reply) != ENCRYPTED for reply in answers.replies):
        return warning(
            "encryption is on here, but a worker answers in plain text",
            "set temporal.security.enableEncryption: true for every worker, and restart them; what they have already "
            "written to Temporal stays there in plain text",
        )
    reason = await unreadable_reason(context.client, [*answers.replies, *sent])
    if reason is None:
        return ok("decrypt what the workers encrypt and decrypt")
    return failure(
        f"this program has other keys than the workers, which decrypted {answers.workflow.id}: {reason}",
        "run it with the --config and the environment of API and workers; compare `trenova keys check --offline`",
    )


async def check_keys_of_api(context: CheckContext) -> Verdict:
    """Whether the API has these keys, if the API key may read its metrics."""
    answer = await context.api.get("/metrics")
    if answer.status_code != HTTPStatus.OK:
        return not_checked(
            f"/metrics, which shows the API's keys, answered {answer.status_code}: the API key must be a reader's "
            "or an admin's for any tenant"
        )
    ring = load_keyring(context.settings.temporal.security, context.options.environ)
    difference = first_difference(ring, answer.text)
    if difference is None:
        return ok("are those of these settings")
    return failure(
        f"the API has other encryption keys than these settings: {difference}",
        "compare `trenova keys check --offline` where API and workers run with its output here; use the same keys "
        "everywhere",
    )


def first_difference(ring: Keyring, page: str) -> str | None:
    """The first difference between the keys on the API's metrics page and the keys here; None if there is none."""
    prints = {labels["id"]: labels["fingerprint"] for labels in metric_labels(FINGERPRINTS, page)}
    for key_id in sorted(prints.keys() & ring.keys.keys()):
        if ring.keys[key_id].fingerprint() != prints[key_id]:
            return f"its key with the ID {key_id} is another one"
    encrypts = next((labels["id"] for labels in metric_labels(IDS, page) if labels["use"] == "encrypts"), None)
    if (encrypts is None) != (ring.encrypting_id is None):
        there, here = ("off", "on") if encrypts is None else ("on", "off")
        return f"encryption is {there} there, but {here} here"
    if encrypts is not None and encrypts not in ring.keys:
        return f"it encrypts with the key {encrypts}, which is not configured here"
    return None


def metric_labels(metric: str, page: str) -> list[dict[str, str]]:
    lines = "\n".join(line for line in page.splitlines() if line.startswith(f"{metric}{{"))
    return [sample.labels for family in text_string_to_metric_families(lines) for sample in family.samples]


async def check_worker_keys(context: CheckContext) -> Verdict:
    """Whether a worker could not decrypt a batch that the keys here, or another worker, can.

    The history names the worker of each failed task. The message of its error is encrypted with that worker's own key.
    """
    polling, heartbeats = await asyncio.gather(queue.list_pollers(context), queue.list_heartbeats(context.client))
    began = queue.start_times(heartbeats)
    since = {identity: began.get(identity, EARLIEST) for identity in polling["workflow"]}
    failures = await find_recent_key_failures(context, since)
    problems = [f"worker {identity} {problem}" for identity, problem in sorted(failures.items())[:SHOWN]]
    answers = await context.workers.answers()
    if not problems and answers is not None and answers.failures and await can_be_opened_elsewhere(context, answers):
        # Temporal does not say which worker answered.
        kind = answers.failures[0]
        problems = [f"a worker {KEY_FAILURES.get(kind, kind)} of {answers.workflow.id}"]
    if not problems:
        return ok(f"no worker that polls has lacked the key of a batch in the last {span(RECENTLY)}")
    return failure(
        f"keys differ: {'; '.join(problems)}, which can be decrypted here or by another worker",
        "compare `trenova keys check --offline` where these workers run with the others; use the same keys everywhere, "
        "and restart these workers",
    )


async def can_be_opened_elsewhere(context: CheckContext, answers: Answers) -> bool:
    """By another worker, or by the keys here. If the key was dropped everywhere, no worker is to blame."""
    run = answers.workflow
    if answers.replies:
        return True
    return await can_be_opened_here(context, run.id, await read_events(context.client, run.id, run.run_id or ""))


async def can_be_opened_here(context: CheckContext, workflow_id: str, history: Sequence[HistoryEvent]) -> bool:
    """Whether there are keys here that decrypt everything in the history that a worker must decrypt."""
    if not history or context.client.data_converter.payload_codec is None:
        return False
    by_key = payloads_by_key_id(history, of_a_schedule=is_scheduled(workflow_id))
    payloads = [payload for group in by_key.values() for payload in group]
    return await unreadable_reason(context.client, payloads) is None


async def find_recent_key_failures(context: CheckContext, polling_since: Mapping[str, datetime]) -> dict[str, str]:
    """The failures of polling workers to decrypt a batch that was stored later, or waits and can be decrypted here.

    `polling_since`: when each worker started, as an earlier worker may have had the same identity.
    """
    since = (datetime.now(UTC) - RECENTLY).isoformat()
    failures: dict[str, str] = {}
    async for run in context.client.list_workflows(f"{RETRIED_BATCHES} AND CloseTime > '{since}'", limit=MOST_RETRIED):
        failures |= key_failures(await read_events(context.client, run.id, run.run_id), run.id, polling_since)
    async for run in context.client.list_workflows(queue.BATCHES, limit=MOST_OPEN):
        history = await read_events(context.client, run.id, run.run_id)
        if await can_be_opened_here(context, run.id, history):
            failures |= key_failures(history, run.id, polling_since)
    return failures


def key_failures(
    history: Sequence[HistoryEvent], workflow_id: str, polling_since: Mapping[str, datetime]
) -> dict[str, str]:
    """By the identity of the worker, what was wrong with its key."""
    failures = {}
    for event in history:
        task = event.workflow_task_failed_event_attributes
        kind, identity = task.failure.application_failure_info.type, task.identity
        started = polling_since.get(identity)
        if kind in KEY_FAILURES and started is not None and event.event_time.ToDatetime(tzinfo=UTC) >= started:
            failures[identity] = f"{KEY_FAILURES[kind]} of {workflow_id}"
    return failures


def first_few(workflow_ids: Sequence[str]) -> str:
    more = f", and {len(workflow_ids) - SHOWN} more" if len(workflow_ids) > SHOWN else ""
    return ", ".join(workflow_ids[:SHOWN]) + more


CHECKS = (
    Check("encryption keys", Kind.KEYS, check_configured_keys),
    Check("keys here", Kind.KEYS, check_keys_here, ("encryption keys", "workers")),
    Check("keys of the API", Kind.KEYS, check_keys_of_api, ("encryption keys", "api key"), own_limit_s=None),
    Check("keys of workers", Kind.KEYS, check_worker_keys, ("temporal namespace", "workers")),
    Check("keys of open workflows", Kind.KEYS, check_open_workflows, ("encryption keys", "temporal namespace")),
)
