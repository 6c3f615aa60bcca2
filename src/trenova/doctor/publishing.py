"""What becomes of the checkpoints outside: whether witnesses cosign them, and whether they are published as files."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from trenova.doctor.checkup import Check
from trenova.doctor.context import CheckContext
from trenova.doctor.finding import Kind, Verdict, failed, ok, warning
from trenova.doctor.phrases import many, span
from trenova.errors import VerificationError
from trenova.ledger import checkpoint
from trenova.ledger import note as notes
from trenova.publishing import files
from trenova.publishing.tenant_directories import directory
from trenova.publishing.witnesses import WitnessClient, witnesses_of
from trenova.store.checkpoint_conflicts import FOLDER
from trenova.store.cosignatures import HeadToPublish

SHOWN = 3
# A worker looks every few seconds, and after failures every five minutes.
LATE = timedelta(minutes=15)
MOST_LEDGERS = 1000
CONFLICT_HINT = (
    "stop and look: docs/witnesses.md says what each reason means; the table refused_checkpoints has the evidence"
)
LAG_HINT = "look for `publishing waits` and `witness fails` in the workers' logs; docs/witnesses.md"


async def check_witnesses(context: CheckContext) -> Verdict:
    """Whether each witness takes the newest checkpoints."""
    found = witnesses_of(context.settings.ledger)
    if not found:
        return ok("none is configured")
    if refused := await describe_conflicts(context, [each.id for each in found]):
        return failed(refused, CONFLICT_HINT, stands_alone=True)
    late = [text for each in found if (text := await describe_lag(context, each))]
    if late:
        return warning("; ".join(late), LAG_HINT)
    return ok(f"{many(len(found), 'witness has', 'witnesses have')} cosigned the newest checkpoints")


async def describe_lag(context: CheckContext, witness: WitnessClient) -> str:
    """What a witness has not cosigned for a while; empty when there is nothing."""
    count, since = await context.store.cosignatures.behind(witness.id, LATE)
    if since is None:
        return ""
    logs = many(count, "log has a newest checkpoint", "logs have newest checkpoints")
    return f"{logs} that {witness.key.name} has not cosigned, since {span(datetime.now(UTC) - since)}"


async def check_published_checkpoints(context: CheckContext) -> Verdict:
    """Whether the files say what the database says."""
    ledger = context.settings.ledger
    if ledger.publish_folder is None:
        return ok("are not written as files")
    if refused := await describe_conflicts(context, [FOLDER]):
        return failed(refused, CONFLICT_HINT, stands_alone=True)
    if not ledger.publish_folder.is_dir():
        return warning(
            f"there is no folder {ledger.publish_folder} on this machine",
            "start a worker, which makes it, or look at its machine; its log says `publishing waits`",
        )
    heads = await context.store.cosignatures.heads(ledger.origin, after="", limit=MOST_LEDGERS)
    sizes = await asyncio.to_thread(published_sizes, ledger.publish_folder, heads)
    absent = [head.tenant for head in heads if head.tenant not in sizes]
    if absent:
        return warning(
            f"{many(len(absent), 'log has', 'logs have')} no published checkpoint: {', '.join(absent[:SHOWN])}",
            "look for `checkpoint not written` and `publishing waits` in the workers' logs",
        )
    return ok(f"{many(len(heads), 'log has', 'logs have')} a published checkpoint")


def published_sizes(folder: Path, heads: list[HeadToPublish]) -> dict[str, int]:
    """By tenant, the size of the published checkpoint; those that have none, or none that can be read, are absent."""
    found = {}
    for head in heads:
        try:
            message = files.read_start(directory(folder, head.tenant) / files.NEWEST, notes.MAX_NOTE_BYTES)
            found[head.tenant] = checkpoint.parse(notes.parse(message or b"").text).size
        except (OSError, VerificationError):
            continue
    return found


async def describe_conflicts(context: CheckContext, places: list[str]) -> str:
    """Which logs are refused in these places, and why; empty when none is."""
    first, count = await context.store.checkpoint_conflicts.now(context.settings.ledger.origin, places, limit=SHOWN)
    named = "; ".join(f"{each.origin.rpartition('/')[2]} by {place_name(each.place)}: {each.reason}" for each in first)
    return f"{many(count, 'log is', 'logs are')} refused: {named}" if count else ""


def place_name(place: str) -> str:
    return "what is published" if place == FOLDER else place.rpartition("+")[0]


CHECKS = (
    Check("witnesses", Kind.LOG, check_witnesses, ("database schema",)),
    Check("published checkpoints", Kind.LOG, check_published_checkpoints, ("database schema",)),
)
