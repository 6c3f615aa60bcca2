"""Whether log and removals tell of every body that is not there any more, and both say the same. No I/O."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import Struct

from trenova.domain.verification import DamagedPlace
from trenova.store.retention.removal import spans
from trenova.store.verification.rows import joined

RESTORE = "find out who changed the table removals, or the entries; restore them from a backup, and compare"


class Metadata(Struct, frozen=True):
    indexes: list[tuple[int, int]]
    entries: int
    bytes: int
    days: int
    received_before: datetime


class Record(Struct, frozen=True):
    """What is read of an entry `retention.remove`."""

    metadata: Metadata


decoder = msgspec.json.Decoder(Record)


@dataclass(frozen=True, slots=True)
class Told:
    """The removed indexes that a log tells of, as first and last of runs, in their order."""

    spans: Sequence[tuple[int, int]] = ()
    problems: Sequence[DamagedPlace] = field(default=(), repr=False)

    @classmethod
    def by(cls, tenant: str, removals: Iterable[Sequence[Any]]) -> "Told":
        """What the rows of `told_removals.sql` tell: only what a removal and its own entry say alike."""
        runs: list[tuple[int, int]] = []
        problems = []
        for id_, *row, body in removals:
            said = None if body is None else read(body)
            wrong = "" if said is None else differing(row, said)
            if said is None or wrong:
                expected = f"{wrong} as its entry says" if wrong else "an entry retention.remove that tells of it"
                problems.append(problem(tenant, f"removal {id_}", expected, "another" if wrong else "none"))
            if said is not None:
                runs += said.indexes
        runs.sort()
        for before, after in pairwise(runs):
            if after[0] <= before[1]:
                problems.append(problem(tenant, f"entry {after[0]}", "one removal", "two that tell of it"))
        return cls(runs, problems)

    def still_there(self, tenant: str, span: range, removed: Iterable[int]) -> list[DamagedPlace]:
        """The entries of a stretch that a removal tells of, and that still have their content."""
        gone = set(removed)
        at = max(bisect_right(self.spans, span.start, key=lambda run: run[0]) - 1, 0)
        found = []
        while at < len(self.spans) and self.spans[at][0] < span.stop:
            first, last = self.spans[at]
            told = range(max(first, span.start), min(last + 1, span.stop))
            found += [
                problem(tenant, f"entry {index}", "no content, as a removal tells", "a body")
                for index in told
                if index not in gone
            ]
            at += 1
        return joined(found)

    def places(self, tenant: str, removed: Iterable[int]) -> list[DamagedPlace]:
        """The removed entries that nothing tells of: somebody took their content without the log."""
        return joined(
            [
                DamagedPlace(
                    tenant=tenant,
                    place=f"entry {index}",
                    expected="a body, or an entry retention.remove that tells of it",
                    got="neither",
                )
                for index in removed
                if index not in self
            ]
        )

    def __contains__(self, index: int) -> bool:
        # No index is removed twice: where spans overlap, that is a problem of its own.
        at = bisect_right(self.spans, index, key=lambda span: span[0]) - 1
        return at >= 0 and index <= self.spans[at][1]


def read(body: bytes) -> Metadata | None:
    """What the entry tells. One that cannot be read tells nothing; that it was changed is found with its row."""
    try:
        return decoder.decode(body).metadata
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def differing(row: Sequence[Any], said: Metadata) -> str:
    """The names of what a removal (indexes, entries, bytes, days, cut-off) says otherwise than its entry."""
    indexes, *rest = row
    counts = sum(last - first + 1 for first, last in said.indexes)
    theirs = (said.indexes, said.entries, said.bytes, said.days, said.received_before)
    names = ("indexes", "entries", "bytes", "days", "cut_off")
    ours = (spans(indexes), *rest)
    wrong = [name for name, mine, told in zip(names, ours, theirs, strict=True) if mine != told]
    if counts != said.entries and "entries" not in wrong:
        wrong.append("entries")
    return ", ".join(wrong)


def problem(tenant: str, place: str, expected: str, got: str) -> DamagedPlace:
    return DamagedPlace(tenant=tenant, place=place, expected=expected, got=got, next_step=RESTORE)
