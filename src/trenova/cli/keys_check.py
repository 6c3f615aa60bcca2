"""The configured keys, what still needs each of them, and what could not be seen.

Nothing here ever says that a key may go: that takes more than this command can look at.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.table import Column, Table
from temporalio.service import RPCError

from trenova.cli import screen
from trenova.codec.compose import load_converter
from trenova.codec.key_usage import closed_workflows, schedules
from trenova.codec.key_usage.open_workflows import PLAIN, OpenWorkflows, examine_open_workflows
from trenova.codec.key_usage.report import KeyUse, PlaceReport
from trenova.config import Settings
from trenova.errors import Unavailable
from trenova.ingest import spool_keys
from trenova.keys import encryption
from trenova.keys.loading import load_keyring
from trenova.runtime.connection import connect

MOST_LOOKED_AT = 10_000
OPEN = "open workflows"
# The exit codes beside 0: all that can be looked at from here was, and what must be read can be.
UNREADABLE, SEEN_IN_PART = 1, 3
OTHER_SPOOLS = (
    "spools of API processes on other machines: `spool` in `/readyz` of each says how many batches wait, and "
    "`trenova keys check` there which keys they need"
)
NO_SPOOL = "spools: api.spool.folder is not set here, so none was looked for"


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What needs the keys, place by place."""

    work: OpenWorkflows
    places: Sequence[PlaceReport]
    beyond: str
    """What this command can never see."""

    @property
    def unseen(self) -> list[str]:
        """What should have been looked at, and was not."""
        return [f"{place.name}: {place.unseen}" for place in self.places if place.unseen]

    def of(self, key_id: str) -> list[tuple[str, KeyUse]]:
        """The places that need the key."""
        return [(place.name, place.held[key_id]) for place in self.places if key_id in place.held]

    def is_needed(self, key_id: str) -> bool | None:
        """None: nothing was seen that needs it. There is always something that was not seen, so never False."""
        return True if self.of(key_id) else None

    def missing(self, keys: Sequence[encryption.KeyReport]) -> list[str]:
        """Key ids that something needs and that are not here."""
        here = {PLAIN, *(key.id for key in keys)}
        return sorted({key_id for place in self.places for key_id in place.held} - here)

    def exit_code(self) -> int:
        if any(place.unreadable for place in self.places):
            return UNREADABLE
        return SEEN_IN_PART if self.unseen else 0


def configured(loaded: Settings) -> tuple[encryption.KeyReport, ...]:
    return encryption.describe_keys(load_keyring(loaded.temporal.security, os.environ))


async def ask(loaded: Settings) -> Needs:
    client = await connect(loaded.temporal, load_converter(loaded.temporal.security, os.environ))
    folder = loaded.api.spool.folder
    # The spool first, and open before closed: what moves on meanwhile is met again where it has come to.
    spools = [] if folder is None else [await spool_keys.inspect_spool(folder, client)]
    try:
        work = await examine_open_workflows(client, most=MOST_LOOKED_AT)
    except RPCError as error:
        raise Unavailable(f"Temporal does not say which workflows are open: {error.message}") from None
    places = [
        of_open(work),
        await closed_workflows.examine_closed_workflows(client),
        *await schedules.examine_schedules(client),
        *spools,
    ]
    return Needs(work=work, places=places, beyond=OTHER_SPOOLS if spools else NO_SPOOL)


def of_open(work: OpenWorkflows) -> PlaceReport:
    unseen = None if work.complete else f"only the {work.looked_at:,} latest were looked at, or some only in part"
    held = {key_id: KeyUse(count=number) for key_id, number in work.key_ids.items()}
    return PlaceReport(name=OPEN, held=held, looked_at=work.looked_at, unreadable=work.unreadable, unseen=unseen)


def report(keys: tuple[encryption.KeyReport, ...], needs: Needs | None) -> dict[str, Any]:
    return {
        "keys": [
            {
                "id": key.id,
                "encrypts": key.encrypts,
                "form": key.form,
                "source": key.source,
                "print": key.fingerprint,
                "needed": None if needs is None else key.encrypts or needs.is_needed(key.id),
                "needed_by": None if needs is None else needed_by(needs, key.id),
            }
            for key in keys
        ],
        "missing": None if needs is None else {key: needed_by(needs, key) for key in needs.missing(keys)},
        "unreadable": None
        if needs is None
        else [
            {"what": place.name, "id": key_id or "(plain)", "why": reason}
            for place in needs.places
            for key_id, reason in place.unreadable.items()
        ],
        "not_seen": ["Temporal: not asked"] if needs is None else [*needs.unseen, needs.beyond],
        "open_workflows": None
        if needs is None
        else {
            "looked_at": needs.work.looked_at,
            "complete": needs.work.complete,
            "by_key_id": {name or "(plain)": number for name, number in needs.work.key_ids.items()},
            "unreadable": dict(needs.work.unreadable),
        },
    }


def needed_by(needs: Needs, key_id: str) -> list[dict[str, Any]]:
    return [{"what": name, "count": held.count, "until": held.until} for name, held in needs.of(key_id)]


def show(keys: tuple[encryption.KeyReport, ...], needs: Needs | None) -> None:
    console = screen.console()
    # Fingerprints are there to be compared: never cut.
    fingerprint = Column("fingerprint", no_wrap=True, min_width=16)
    table = Table("id", "does", "form", Column("from", overflow="fold"), fingerprint, "needed", box=None)
    for key in keys:
        does = "encrypts, decrypts" if key.encrypts else "decrypts"
        needed = word(needs, key)
        table.add_row(screen.literal(key.id), does, key.form, screen.literal(key.source), key.fingerprint, needed)
    console.print(table if keys else "no encryption keys are configured")
    for line, style in lines(keys, needs):
        console.print(screen.literal(line), style=style, soft_wrap=True)


def word(needs: Needs | None, key: encryption.KeyReport) -> str:
    if needs is None:
        return "?"
    if key.encrypts or needs.is_needed(key.id):
        return "yes"
    return "unknown" if needs.unseen else "not seen"


def lines(keys: Sequence[encryption.KeyReport], needs: Needs | None) -> Iterator[tuple[str, str]]:
    """What there is to say below the table, each with its style."""
    if needs is None:
        if keys:
            yield "Temporal was not asked: what needs these keys is not known", ""
        return
    for key in keys:
        if found := needs.of(key.id):
            yield f"{key.id} is needed by {phrases(found)}", ""
    yield from troubles(keys, needs)
    spare = [key.id for key in keys if not key.encrypts]
    for key_id in spare:
        if not needs.of(key_id):
            yield unseen_to_be_needed(key_id, is_all_seen=not needs.unseen), ""
    if spare:
        yield f"not seen from here: {needs.beyond}", ""


def troubles(keys: Sequence[encryption.KeyReport], needs: Needs) -> Iterator[tuple[str, str]]:
    for key_id in needs.missing(keys):
        yield f"{key_id} is not here, and is needed by {phrases(needs.of(key_id))}", "yellow"
    if plain := needs.work.key_ids.get(PLAIN, 0):
        yield f"{plain:,} open workflows hold plain payloads, which need no key", ""
    for place in needs.places:
        for key_id, reason in place.unreadable.items():
            yield f"key {key_id or '(none)'}: {reason}; {place.name} stand still until the right key is back", "red"
    for what in needs.unseen:
        yield f"not seen: {what}", "yellow"


def unseen_to_be_needed(key_id: str, *, is_all_seen: bool) -> str:
    if is_all_seen:
        return (
            f"nothing that was looked at needs {key_id}, which does not yet mean that it may go: docs/encryption.md "
            "says what else may need it"
        )
    return f"whether {key_id} is needed is not known, since not everything was seen: keep it"


def phrases(found: Sequence[tuple[str, KeyUse]]) -> str:
    return ", ".join(f"{held.count:,} {name}{until(held.until)}" for name, held in found)


def until(moment: datetime | None) -> str:
    return f" (until {moment:%Y-%m-%d %H:%M} UTC)" if moment else ""
