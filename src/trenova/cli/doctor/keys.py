"""The encryption keys: each by a round trip, against what open workflows hold, and against those of the workers."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from trenova.cli.doctor import queue
from trenova.cli.doctor.checkup import Check
from trenova.cli.doctor.finding import Kind, Verdict, failed, ok
from trenova.cli.doctor.scene import Scene
from trenova.cli.doctor.words import many, span
from trenova.codec.keys import variable_of
from trenova.codec.settings import keyring_of
from trenova.config import TASK_QUEUE
from trenova.domain.batch import BATCH_WORKFLOW
from trenova.errors import DecryptionFailed, EncryptionKeyNotFound, InvalidConfiguration
from trenova.inflight import NO_BATCH, PLAIN, OpenWork, history_of, open_work

SHOWN, MOST_REASONS = 3, 6
# A batch that is stored at the first try has six events.
TRIED_AGAIN = f"WorkflowType = '{BATCH_WORKFLOW}' AND TaskQueue = '{TASK_QUEUE}' AND "
TRIED_AGAIN += "ExecutionStatus = 'Completed' AND HistoryLength > 6"
MOST_TRIED_AGAIN = 50
LATELY = timedelta(hours=1)
OF_KEYS = {
    EncryptionKeyNotFound.__name__: "does not have the key",
    DecryptionFailed.__name__: "has another key than the sender",
}
FIRST_LETTER = "encryptionKeyID"


async def configured(scene: Scene) -> Verdict:
    """`keyring_of` encrypts and decrypts a payload with every key."""
    security = scene.settings.temporal.security
    try:
        ring = keyring_of(security, scene.asked.environ)
    except InvalidConfiguration as error:
        problems = "; ".join(error.problems)
        if any(problem.startswith(FIRST_LETTER) for problem in error.problems):
            problems = f"encryption key not found for ID: {security.encryption_key_id}: {problems}"
        return failed(problems, error.hint or "`trenova keys check --offline` lists the keys")
    if ring.encrypting_id is None:
        return ok(f"encryption is off; {many(len(ring.keys), 'key decrypts', 'keys decrypt')}")
    others = len(ring.keys) - 1
    return ok(f"{ring.encrypting_id} encrypts and decrypts{f', and {others} more decrypt' if others else ''}")


async def needed(scene: Scene) -> Verdict:
    """What nobody with these keys can open, and what can be opened and is no batch, with the workflows that hold it."""
    work = await open_work(scene.client)
    waits = [f"{reason} ({some(ids)})" for reason, ids in sorted(work.waiting.items())]
    if work.no_batches:
        waits.append(f"{NO_BATCH} ({some(work.no_batches)})")
    if waits:
        return failed(f"open workflows wait: {'; '.join(waits[:MOST_REASONS])}", " ".join(steps(work)))
    used = ", ".join(name for name in work.key_ids if name != PLAIN)
    return ok(
        f"{many(work.looked_at, 'open workflow needs', 'open workflows need')} {used or 'no key'}, and can be read"
    )


def steps(work: OpenWork) -> Iterator[str]:
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


async def of_workers(scene: Scene) -> Verdict:
    """Whether a worker that still polls lately met batches that it could not open, while another one stored them.

    The failed task stands in the history with the worker's name. Its reason is encrypted, under that worker's own key.
    """
    since = (datetime.now(UTC) - LATELY).isoformat()
    polling = set((await queue.pollers(scene))["workflow"])
    mistaken: dict[str, str] = {}
    async for run in scene.client.list_workflows(f"{TRIED_AGAIN} AND CloseTime > '{since}'", limit=MOST_TRIED_AGAIN):
        for event in await history_of(scene.client, run.id, run.run_id):
            failed_task = event.workflow_task_failed_event_attributes
            kind = failed_task.failure.application_failure_info.type
            if kind in OF_KEYS and failed_task.identity in polling:
                mistaken[failed_task.identity] = f"{OF_KEYS[kind]} of {run.id}"
    if not mistaken:
        return ok(f"no worker that polls has lacked the key of a batch in the last {span(LATELY)}")
    named = "; ".join(f"worker {identity} {what}" for identity, what in sorted(mistaken.items())[:SHOWN])
    return failed(
        f"keys differ between workers: {named}, which another worker could read",
        "compare `trenova keys check --offline` where these workers run with the others; give them the same keys, and "
        "start them again",
    )


def some(workflow_ids: Sequence[str]) -> str:
    more = f", and {len(workflow_ids) - SHOWN} more" if len(workflow_ids) > SHOWN else ""
    return ", ".join(workflow_ids[:SHOWN]) + more


CHECKS = (
    Check("encryption keys", Kind.KEYS, configured),
    Check("keys of open workflows", Kind.KEYS, needed, ("encryption keys", "temporal namespace"), limit_s=60),
    Check("keys of workers", Kind.KEYS, of_workers, ("temporal namespace",), limit_s=60),
)
