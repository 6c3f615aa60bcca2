"""The publication of checkpoints: whether witnesses cosign them, and whether they are published as files."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from trenova.doctor.checkup import Check
from trenova.doctor.context import CheckContext
from trenova.doctor.finding import Kind, Verdict, failure, ok, warning
from trenova.errors import VerificationError
from trenova.ledger import checkpoint
from trenova.ledger import note as notes
from trenova.publishing import files
from trenova.publishing.tenant_directories import directory
from trenova.publishing.witnesses import WitnessClient, witnesses_of
from trenova.runtime.phrases import many, span
from trenova.store.checkpoint_conflicts import FOLDER
from trenova.store.cosignatures import HeadToPublish

SHOWN = 3
# A worker publishes every few seconds, and after failures every five minutes.
LATE = timedelta(minutes=15)
MOST_LEDGERS = 1000
CONFLICT_HINT = (
    "stop and investigate: docs/witnesses.md explains each reason; the evidence is in the table refused_checkpoints"
)
LAG_HINT = "look for `publishing waits` and `witness fails` in the workers' logs: docs/witnesses.md"


async def check_witnesses(context: CheckContext) -> Verdict:
    """Whether each witness has cosigned the newest checkpoints."""
    configured = witnesses_of(context.settings.ledger)
    if not configured:
        return ok("none is configured")
    if conflicts := await describe_conflicts(context, [witness.id for witness in configured]):
        return failure(conflicts, CONFLICT_HINT, stands_alone=True)
    late = [lag for witness in configured if (lag := await describe_lag(context, witness))]
    if late:
        return warning("; ".join(late), LAG_HINT)
    return ok(f"{many(len(configured), 'witness has', 'witnesses have')} cosigned the newest checkpoints")


async def describe_lag(context: CheckContext, witness: WitnessClient) -> str:
    """How many ledgers a witness has not cosigned in time, and since when; empty if there are none."""
    count, since = await context.store.cosignatures.behind(witness.id, LATE)
    if since is None:
        return ""
    ledgers = many(count, "ledger", "ledgers")
    age = span(datetime.now(UTC) - since)
    return f"{witness.key.name} has not cosigned the newest checkpoint of {ledgers}, the oldest for {age}"


async def check_published_checkpoints(context: CheckContext) -> Verdict:
    """Whether the files agree with the database."""
    ledger = context.settings.ledger
    if ledger.publish_folder is None:
        return ok("are not published as files")
    if conflicts := await describe_conflicts(context, [FOLDER]):
        return failure(conflicts, CONFLICT_HINT, stands_alone=True)
    if not ledger.publish_folder.is_dir():
        return warning(
            f"the folder {ledger.publish_folder} does not exist on this machine",
            "start a worker, which creates it, or run this on the worker's machine; `publishing waits` in its log says "
            "what is wrong",
        )
    heads = await context.store.cosignatures.heads(ledger.origin, after="", limit=MOST_LEDGERS)
    sizes = await asyncio.to_thread(published_sizes, ledger.publish_folder, heads)
    absent = [head.tenant for head in heads if head.tenant not in sizes]
    if absent:
        return warning(
            f"{many(len(absent), 'ledger has', 'ledgers have')} no published checkpoint: {', '.join(absent[:SHOWN])}",
            "look for `checkpoint not written` and `publishing waits` in the workers' logs",
        )
    return ok(f"{many(len(heads), 'ledger has', 'ledgers have')} a published checkpoint")


def published_sizes(folder: Path, heads: list[HeadToPublish]) -> dict[str, int]:
    """The tree size of each tenant's published checkpoint; tenants without a readable one are absent."""
    sizes = {}
    for head in heads:
        try:
            message = files.read_start(directory(folder, head.tenant) / files.NEWEST, notes.MAX_NOTE_BYTES)
            sizes[head.tenant] = checkpoint.parse(notes.parse(message or b"").text).size
        except (OSError, VerificationError):
            continue
    return sizes


async def describe_conflicts(context: CheckContext, places: list[str]) -> str:
    """The ledgers whose checkpoint a witness declined, or contradicts what is published; empty if there are none."""
    first, count = await context.store.checkpoint_conflicts.list_open(
        context.settings.ledger.origin, places, limit=SHOWN
    )
    names = "; ".join(f"{each.origin.rpartition('/')[2]}, {place_name(each.place)}: {each.reason}" for each in first)
    return f"{many(count, 'ledger has', 'ledgers have')} a checkpoint conflict: {names}" if count else ""


def place_name(place: str) -> str:
    return "contradicts the published checkpoint" if place == FOLDER else f"declined by {place.rpartition('+')[0]}"


CHECKS = (
    Check("witnesses", Kind.LOG, check_witnesses, ("database schema",)),
    Check("published checkpoints", Kind.LOG, check_published_checkpoints, ("database schema",)),
)
