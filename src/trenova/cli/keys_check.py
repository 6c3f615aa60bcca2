"""`trenova keys check`: the configured keys, what still needs each of them, and what could not be checked.

It never says that a key may be removed: that takes more than this command can reach.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.table import Column, Table
from temporalio.service import RPCError

from trenova.cli.terminal import screen
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

MAX_OPEN_WORKFLOWS = 10_000
OPEN = "open workflows"
# The exit codes beside 0, which means that all that is in reach was checked, and is readable.
UNREADABLE, CHECKED_IN_PART = 1, 3
OTHER_SPOOLS = (
    "spools of API processes on other machines: `spool` in `/readyz` of each shows how many batches wait, and "
    "`trenova keys check` there shows which keys they need"
)
NO_SPOOL = "spools: api.spool.folder is not set here, so none was looked for"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyNeeds:
    """What needs the keys, place by place."""

    work: OpenWorkflows
    places: Sequence[PlaceReport]
    out_of_reach: str
    """What this command can never check."""

    @property
    def unseen(self) -> list[str]:
        """What should have been checked, and could not be."""
        return [f"{place.name}: {place.unseen}" for place in self.places if place.unseen]

    def of(self, key_id: str) -> list[tuple[str, KeyUse]]:
        """The places that need the key."""
        return [(place.name, place.uses[key_id]) for place in self.places if key_id in place.uses]

    def is_needed(self, key_id: str) -> bool | None:
        """None where nothing that was checked needs it. Never False: something is always out of reach."""
        return True if self.of(key_id) else None

    def missing(self, keys: Sequence[encryption.KeyReport]) -> list[str]:
        """Ids of keys that are needed and not configured."""
        configured = {PLAIN, *(key.id for key in keys)}
        return sorted({key_id for place in self.places for key_id in place.uses} - configured)

    def exit_code(self) -> int:
        if any(place.unreadable for place in self.places):
            return UNREADABLE
        return CHECKED_IN_PART if self.unseen else 0


def configured_keys(settings: Settings) -> tuple[encryption.KeyReport, ...]:
    return encryption.describe_keys(load_keyring(settings.temporal.security, os.environ))


async def find_needs(settings: Settings) -> KeyNeeds:
    """Look through spool, workflows and schedules for the ids of the keys that their payloads are encrypted with."""
    client = await connect(settings.temporal, load_converter(settings.temporal.security, os.environ))
    folder = settings.api.spool.folder
    # In the order in which a batch moves, spool, open workflow, closed workflow: one that moves is met again.
    spools = [] if folder is None else [await spool_keys.inspect_spool(folder, client)]
    try:
        work = await examine_open_workflows(client, most=MAX_OPEN_WORKFLOWS)
    except RPCError as error:
        raise Unavailable(f"Temporal does not list the open workflows: {error.message}") from None
    places = [
        open_place(work),
        await closed_workflows.examine_closed_workflows(client),
        *await schedules.examine_schedules(client),
        *spools,
    ]
    return KeyNeeds(work=work, places=places, out_of_reach=OTHER_SPOOLS if spools else NO_SPOOL)


def open_place(work: OpenWorkflows) -> PlaceReport:
    unseen = None if work.complete else f"only the latest {work.looked_at:,} were checked, or some only in part"
    uses = {key_id: KeyUse(count=number) for key_id, number in work.key_ids.items()}
    return PlaceReport(name=OPEN, uses=uses, looked_at=work.looked_at, unreadable=work.unreadable, unseen=unseen)


def as_data(keys: tuple[encryption.KeyReport, ...], needs: KeyNeeds | None) -> dict[str, Any]:
    """The object that `--json` prints; `needs` is None with `--offline`."""
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
        "not_seen": ["Temporal: not asked"] if needs is None else [*needs.unseen, needs.out_of_reach],
        "open_workflows": None
        if needs is None
        else {
            "looked_at": needs.work.looked_at,
            "complete": needs.work.complete,
            "by_key_id": {name or "(plain)": number for name, number in needs.work.key_ids.items()},
            "unreadable": dict(needs.work.unreadable),
        },
    }


def needed_by(needs: KeyNeeds, key_id: str) -> list[dict[str, Any]]:
    return [{"what": name, "count": held.count, "until": held.until} for name, held in needs.of(key_id)]


def print_report(keys: tuple[encryption.KeyReport, ...], needs: KeyNeeds | None) -> None:
    console = screen.stdout_console()
    # Fingerprints are there to be compared: never cut.
    fingerprint = Column("fingerprint", no_wrap=True, min_width=16)
    table = Table("id", "does", "form", Column("from", overflow="fold"), fingerprint, "needed", box=None)
    for key in keys:
        does = "encrypts, decrypts" if key.encrypts else "decrypts"
        needed = need_word(needs, key)
        table.add_row(screen.literal(key.id), does, key.form, screen.literal(key.source), key.fingerprint, needed)
    console.print(table if keys else "no encryption keys are configured")
    for line, style in styled_lines(keys, needs):
        console.print(screen.literal(line), style=style, soft_wrap=True)


def need_word(needs: KeyNeeds | None, key: encryption.KeyReport) -> str:
    if needs is None:
        return "?"
    if key.encrypts or needs.is_needed(key.id):
        return "yes"
    return "unknown" if needs.unseen else "no use seen"


def styled_lines(keys: Sequence[encryption.KeyReport], needs: KeyNeeds | None) -> Iterator[tuple[str, str]]:
    """The lines below the table, each with its style."""
    if needs is None:
        if keys:
            yield "Temporal was not asked, so what needs these keys is unknown", ""
        return
    for key in keys:
        if held := needs.of(key.id):
            yield f"{key.id} is needed by {counts(held)}", ""
    yield from problem_lines(keys, needs)
    spare = [key.id for key in keys if not key.encrypts]
    for key_id in spare:
        if not needs.of(key_id):
            yield no_need_seen(key_id, everything_checked=not needs.unseen), ""
    if spare:
        yield f"out of reach from here: {needs.out_of_reach}", ""


def problem_lines(keys: Sequence[encryption.KeyReport], needs: KeyNeeds) -> Iterator[tuple[str, str]]:
    for key_id in needs.missing(keys):
        yield f"{key_id} is not configured, but is needed by {counts(needs.of(key_id))}", "yellow"
    if plain := needs.work.key_ids.get(PLAIN, 0):
        yield f"{plain:,} open workflows hold plain payloads, which need no key", ""
    for place in needs.places:
        for key_id, reason in place.unreadable.items():
            stuck = f"{place.name} with this key are stuck until the right key is configured"
            yield f"key {key_id or '(none)'}: {reason}; {stuck}", "red"
    for what in needs.unseen:
        yield f"not checked: {what}", "yellow"


def no_need_seen(key_id: str, *, everything_checked: bool) -> str:
    if everything_checked:
        return (
            f"nothing that was checked needs {key_id}. It may still be needed elsewhere: see docs/encryption.md before "
            "you remove it"
        )
    return f"whether {key_id} is needed is unknown, since not everything was checked: keep it"


def counts(places: Sequence[tuple[str, KeyUse]]) -> str:
    return ", ".join(f"{held.count:,} {name}{until(held.until)}" for name, held in places)


def until(time: datetime | None) -> str:
    return f" (until {time:%Y-%m-%d %H:%M} UTC)" if time else ""
