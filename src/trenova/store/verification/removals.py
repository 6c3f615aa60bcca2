"""Whether ledger and removals report every body that is no longer there, and agree with each other. No I/O."""

import uuid
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from trenova.domain.verification import DamagedPlace
from trenova.store.retention.removal import spans
from trenova.store.verification.rows import merge_neighbours

RESTORE = "find out who changed the table removals, or the entries; restore them from a backup, and compare"


class Removal(NamedTuple):
    """A row of `removals_with_entries.sql`."""

    entry_id: uuid.UUID
    indexes: Any
    """A multirange of PostgreSQL."""
    entries: int
    byte_count: int
    days: int
    cut_off: datetime
    body: bytes | None
    """Of the entry that reports the removal."""


class Metadata(Struct, frozen=True):
    indexes: list[tuple[int, int]]
    entries: int
    bytes: int
    days: int
    received_before: datetime


class RemovalEntry(Struct, frozen=True):
    """What is read of an entry `retention.remove`."""

    metadata: Metadata


decoder = msgspec.json.Decoder(RemovalEntry)


@dataclass(frozen=True, slots=True)
class RecordedRemovals:
    """The removed indexes that a ledger reports, as first and last of runs, in order."""

    spans: Sequence[tuple[int, int]] = ()
    problems: Sequence[DamagedPlace] = field(default=(), repr=False)

    @classmethod
    def read(cls, tenant: str, removals: Iterable[Removal]) -> "RecordedRemovals":
        """What the entries of the removals report. A removal and its entry that differ are a problem."""
        runs: list[tuple[int, int]] = []
        problems = []
        for removal in removals:
            reported = None if removal.body is None else decode(removal.body)
            if reported is None:
                expected = "an entry retention.remove that reports it"
                problems.append(problem(tenant, f"removal {removal.entry_id}", expected, "none"))
                continue
            if differing := differences(removal, reported):
                expected = f"{differing} as its entry says"
                problems.append(problem(tenant, f"removal {removal.entry_id}", expected, "another"))
            runs += reported.indexes
        runs.sort()
        for (_, last), (first, _) in pairwise(runs):
            if first <= last:
                problems.append(problem(tenant, f"entry {first}", "one removal", "two that report it"))
        return cls(runs, problems)

    def find_still_there(self, tenant: str, span: range, removed: Iterable[int]) -> list[DamagedPlace]:
        """The entries of a stretch that a removal reports, and that still have their content."""
        emptied = set(removed)
        at = max(bisect_right(self.spans, span.start, key=lambda run: run[0]) - 1, 0)
        places = []
        while at < len(self.spans) and self.spans[at][0] < span.stop:
            first, last = self.spans[at]
            reported = range(max(first, span.start), min(last + 1, span.stop))
            places += [
                problem(tenant, f"entry {index}", "no content, as a removal says", "a body")
                for index in reported
                if index not in emptied
            ]
            at += 1
        return merge_neighbours(places)

    def find_unrecorded(self, tenant: str, removed: Iterable[int]) -> list[DamagedPlace]:
        """The removed entries that no removal reports: their content was removed without the ledger."""
        return merge_neighbours(
            DamagedPlace(
                tenant=tenant,
                place=f"entry {index}",
                expected="a body, or an entry retention.remove that reports it",
                got="neither",
            )
            for index in removed
            if index not in self
        )

    def __contains__(self, index: int) -> bool:
        # No index is removed twice: overlapping spans are a problem that `read` reports.
        at = bisect_right(self.spans, index, key=lambda span: span[0]) - 1
        return at >= 0 and index <= self.spans[at][1]


def decode(body: bytes) -> Metadata | None:
    """None for an entry that cannot be read; the check of its row finds that it was changed."""
    try:
        return decoder.decode(body).metadata
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def differences(removal: Removal, reported: Metadata) -> str:
    """The names of the columns in which a removal differs from its entry."""
    pairs = {
        "indexes": (spans(removal.indexes), reported.indexes),
        "entries": (removal.entries, reported.entries),
        "bytes": (removal.byte_count, reported.bytes),
        "days": (removal.days, reported.days),
        "cut_off": (removal.cut_off, reported.received_before),
    }
    differing = [name for name, (ours, theirs) in pairs.items() if ours != theirs]
    count = sum(last - first + 1 for first, last in reported.indexes)
    if count != reported.entries and "entries" not in differing:
        differing.append("entries")
    return ", ".join(differing)


def problem(tenant: str, place: str, expected: str, got: str) -> DamagedPlace:
    return DamagedPlace(tenant=tenant, place=place, expected=expected, got=got, next_step=RESTORE)
