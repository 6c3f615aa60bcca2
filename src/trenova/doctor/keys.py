"""The encryption keys: each by a round trip, against what open workflows hold, and against those of the workers."""

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
from trenova.doctor.finding import Kind, Verdict, failed, ok, unchecked, warning
from trenova.doctor.phrases import many, span
from trenova.doctor.worker_queries import Answers
from trenova.domain.batch import BATCH_WORKFLOW, is_api_batch
from trenova.domain.schedules import is_scheduled
from trenova.errors import DecryptionFailed, EncryptionKeyNotFound, InvalidConfiguration, PlaintextRefused
from trenova.keys.key import variable_of
from trenova.keys.keyring import Keyring
from trenova.keys.loading import load_keyring

SHOWN, MOST_REASONS = 3, 6
# A batch that is stored at the first try has six events.
RETRIED_BATCHES = f"WorkflowType = '{BATCH_WORKFLOW}' AND TaskQueue = '{TASK_QUEUE}' AND "
RETRIED_BATCHES += "ExecutionStatus = 'Completed' AND HistoryLength > 6"
MOST_RETRIED = 50
MOST_OPEN = 10
# Histories are read one after the other, and the doctor has only seconds.
MOST_HISTORIES = 100
IDS, FINGERPRINTS = "trenova_encryption_key_info", "trenova_encryption_key_fingerprint_info"
RECENTLY = timedelta(hours=1)
EARLIEST = datetime.min.replace(tzinfo=UTC)
KEY_FAILURES = {
    EncryptionKeyNotFound.failure_type: "does not have the key",
    DecryptionFailed.failure_type: "has another key than the sender",
    PlaintextRefused.failure_type: "refuses (requireEncryption) the plain text",
}
KEY_ID_SETTING = "encryptionKeyID"


async def check_configured_keys(context: CheckContext) -> Verdict:
    """`keyring_of` encrypts and decrypts a payload with every key."""
    security = context.settings.temporal.security
    try:
        ring = load_keyring(security, context.options.environ)
    except InvalidConfiguration as error:
        problems = "; ".join(error.problems)
        if any(problem.startswith(KEY_ID_SETTING) for problem in error.problems):
            problems = f"encryption key not found for ID: {security.encryption_key_id}: {problems}"
        return failed(problems, error.hint or "`trenova keys check --offline` lists the keys")
    if ring.encrypting_id is None:
        return ok(f"encryption is off; {many(len(ring.keys), 'key decrypts', 'keys decrypt')}")
    others = len(ring.keys) - 1
    return ok(f"{ring.encrypting_id} encrypts and decrypts{f', and {others} more decrypt' if others else ''}")


async def check_open_workflows(context: CheckContext) -> Verdict:
    """What nobody with these keys can open, and what can be opened and is no batch, with the workflows that hold it."""
    work = await examine_open_workflows(context.client, most=MOST_HISTORIES)
    waits = [f"{reason} ({first_few(ids)})" for reason, ids in sorted(work.waiting.items())]
    if work.no_batches:
        waits.append(f"{NO_BATCH} ({first_few(work.no_batches)})")
    if waits:
        return failed(f"open workflows wait: {'; '.join(waits[:MOST_REASONS])}", " ".join(next_steps(work)))
    used = ", ".join(name for name in work.key_ids if name != PLAIN)
    return ok(
        f"{many(work.looked_at, 'open workflow needs', 'open workflows need')} {used or 'no key'}, and can be read"
    )


def next_steps(work: OpenWorkflows) -> Iterator[str]:
    """What to do where a key is missing, and where none is: then it is about those who started the workflows."""
    missing = sorted(key_id for key_id in work.unreadable if key_id != PLAIN and key_id not in work.opened)
    if missing:
        yield (
            f"set {', '.join(map(variable_of, missing[:SHOWN]))} to the key that they were encrypted with, on every "
            "API and worker, and start these again; `trenova keys check` lists what is needed."
        )
    of_missing = {work.unreadable[key_id] for key_id in missing}
    foreign = [*work.no_batches, *(ids[0] for reason, ids in work.waiting.items() if reason not in of_missing)]
    which = foreign[0] if foreign else work.waiting[work.unreadable[missing[0]]][0]
    yield (
        f"{'' if foreign else 'If it never was a key of yours: '}find out who started them (`temporal workflow "
        f"describe --workflow-id {which}`), and end them: `temporal workflow terminate --workflow-id {which}`"
    )


async def check_keys_here(context: CheckContext) -> Verdict:
    """Whether these keys open what the workers' keys open, and what the workers encrypt."""
    answers = await context.workers.answers()
    if answers is None or not answers.replies:
        return ok("no worker has told of any key")
    sent: list[Payload] = []
    # What no worker has finished may come from anybody, in any form; and what a schedule starts holds plain attributes.
    if is_api_batch(answers.about.id) and answers.about.status is WorkflowExecutionStatus.COMPLETED:
        begun = await read_events(context.client, answers.about.id, answers.about.run_id or "")
        sent = [payload for event in begun[:1] for payload in payloads_in(event)]
    ring = load_keyring(context.settings.temporal.security, context.options.environ)
    # Before any is opened: in strict mode a plain one is refused here, and that is not for a key of this program.
    if ring.encrypting_id is not None and any(encoding_of(reply) != ENCRYPTED for reply in answers.replies):
        return warning(
            "encryption is on here, and a worker answers in plain text",
            "set temporal.security.enableEncryption: true for every worker, and start them again; what they stored "
            "in Temporal until then is there in plain text",
        )
    reason = await unreadable_reason(context.client, [*answers.replies, *sent])
    if reason is None:
        return ok("open what workers encrypt and what they open")
    return failed(
        f"this program has other keys than the workers, which opened {answers.about.id}: {reason}",
        "run it with the --config and the environment of API and workers; compare `trenova keys check --offline`",
    )


async def check_api_keys(context: CheckContext) -> Verdict:
    """Whether the API has these keys, as far as the API key given may be told."""
    answer = await context.api.get("/metrics")
    if answer.status_code != HTTPStatus.OK:
        return unchecked(
            f"/metrics answers {answer.status_code}: it is for readers and admins of any tenant, and tells which keys "
            "the API has"
        )
    other = first_difference(load_keyring(context.settings.temporal.security, context.options.environ), answer.text)
    if other is None:
        return ok("are those of these settings")
    return failed(
        f"the API has other encryption keys than these settings: {other}",
        "compare `trenova keys check --offline` where API and workers run with the one here; give them the same keys",
    )


def first_difference(ring: Keyring, page: str) -> str | None:
    """What of the API's page about its keys does not fit the keys here."""
    prints = {labels["id"]: labels["fingerprint"] for labels in metric_labels(FINGERPRINTS, page)}
    for key_id in sorted(prints.keys() & ring.keys.keys()):
        if ring.keys[key_id].fingerprint() != prints[key_id]:
            return f"under the ID {key_id} it has another key"
    encrypts = next((labels["id"] for labels in metric_labels(IDS, page) if labels["use"] == "encrypts"), None)
    if (encrypts is None) != (ring.encrypting_id is None):
        there, elsewhere = ("off", "on") if encrypts is None else ("on", "off")
        return f"encryption is {there} there, and {elsewhere} here"
    if encrypts is not None and encrypts not in ring.keys:
        return f"it encrypts with {encrypts}, which is not here"
    return None


def metric_labels(metric: str, page: str) -> list[dict[str, str]]:
    lines = "\n".join(line for line in page.splitlines() if line.startswith(f"{metric}{{"))
    return [sample.labels for family in text_string_to_metric_families(lines) for sample in family.samples]


async def check_worker_keys(context: CheckContext) -> Verdict:
    """Whether a worker meets batches that it cannot open, and that the keys here, or another worker, can.

    The failed task stands in the history with the worker's name. Its reason is encrypted, under that worker's own key.
    """
    polling, heartbeats = await asyncio.gather(queue.list_pollers(context), queue.list_heartbeats(context.client))
    began = queue.start_times(heartbeats)
    mistaken = await find_recent_key_failures(
        context, {each: began.get(each, EARLIEST) for each in polling["workflow"]}
    )
    answers = await context.workers.answers()
    said = [f"worker {identity} {what}" for identity, what in sorted(mistaken.items())[:SHOWN]]
    if not said and answers is not None and answers.failures and await can_be_opened_elsewhere(context, answers):
        # Temporal does not tell who answered.
        said = [f"a worker {KEY_FAILURES.get(answers.failures[0], answers.failures[0])} of {answers.about.id}"]
    if not said:
        return ok(f"no worker that polls has lacked the key of a batch in the last {span(RECENTLY)}")
    return failed(
        f"keys differ: {'; '.join(said)}, which can be read here or by another worker",
        "compare `trenova keys check --offline` where these workers run with the others; give them the same keys, and "
        "start them again",
    )


async def can_be_opened_elsewhere(context: CheckContext, answers: Answers) -> bool:
    """Another worker, or the keys here. What lies under a key that was dropped nobody opens, and nothing is wrong."""
    about = answers.about
    if answers.replies:
        return True
    return await can_be_opened_here(context, about.id, await read_events(context.client, about.id, about.run_id or ""))


async def can_be_opened_here(context: CheckContext, workflow_id: str, history: Sequence[HistoryEvent]) -> bool:
    """Whether the keys here, if there are any, open all that a worker has to open."""
    if not history or context.client.data_converter.payload_codec is None:
        return False
    held = payloads_by_key_id(history, of_a_schedule=is_scheduled(workflow_id))
    return await unreadable_reason(context.client, [payload for each in held.values() for payload in each]) is None


async def find_recent_key_failures(context: CheckContext, polling: Mapping[str, datetime]) -> dict[str, str]:
    """The workers that poll and failed to open a batch, which was stored later, or waits and can be opened here.

    `polling` says since when: under the same identity there may have been another one.
    """
    since = (datetime.now(UTC) - RECENTLY).isoformat()
    found: dict[str, str] = {}
    async for run in context.client.list_workflows(f"{RETRIED_BATCHES} AND CloseTime > '{since}'", limit=MOST_RETRIED):
        found |= key_failures(await read_events(context.client, run.id, run.run_id), run.id, polling)
    async for run in context.client.list_workflows(queue.BATCHES, limit=MOST_OPEN):
        history = await read_events(context.client, run.id, run.run_id)
        if await can_be_opened_here(context, run.id, history):
            found |= key_failures(history, run.id, polling)
    return found


def key_failures(history: Sequence[HistoryEvent], workflow_id: str, polling: Mapping[str, datetime]) -> dict[str, str]:
    found = {}
    for event in history:
        failed_task = event.workflow_task_failed_event_attributes
        kind, who = failed_task.failure.application_failure_info.type, failed_task.identity
        if kind in KEY_FAILURES and who in polling and event.event_time.ToDatetime(tzinfo=UTC) >= polling[who]:
            found[who] = f"{KEY_FAILURES[kind]} of {workflow_id}"
    return found


def first_few(workflow_ids: Sequence[str]) -> str:
    more = f", and {len(workflow_ids) - SHOWN} more" if len(workflow_ids) > SHOWN else ""
    return ", ".join(workflow_ids[:SHOWN]) + more


CHECKS = (
    Check("encryption keys", Kind.KEYS, check_configured_keys),
    Check("keys here", Kind.KEYS, check_keys_here, ("encryption keys", "workers")),
    Check("keys of the API", Kind.KEYS, check_api_keys, ("encryption keys", "api key"), own_limit_s=None),
    Check("keys of workers", Kind.KEYS, check_worker_keys, ("temporal namespace", "workers")),
    Check("keys of open workflows", Kind.KEYS, check_open_workflows, ("encryption keys", "temporal namespace")),
)
