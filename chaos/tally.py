"""What is stored against what was sent: a counter for every entry of every request. Pure: no database, no network."""

import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from chaos import entries
from chaos.entries import Author, Place
from chaos.journal import Memory

# Added by the server; everything else must be there byte for byte.
RECEIVED_AT = re.compile(rb'"received_at":"[0-9TZ:.-]{20,27}",')
# How many findings of each kind are listed one by one.
MOST_EXAMPLES = 20
MOST_COUNTED = 255


class EntryId(msgspec.Struct, frozen=True):
    id: uuid.UUID


@dataclass(slots=True)
class Findings:
    """What is wrong, by kind. All are counted, and the first of each kind are listed."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    def add(self, kind: str, what: str) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if self.counts[kind] <= MOST_EXAMPLES:
            self.examples.append(f"{kind}: {what}")

    def count(self, kind: str) -> int:
        return self.counts.get(kind, 0)


@dataclass(slots=True)
class Tally:
    """Stored entries, counted by the place that their ids name."""

    run: int
    authors: Sequence[Author]
    memory: Memory
    findings: Findings
    times_stored: dict[tuple[int, int], bytearray] = field(default_factory=dict)
    """By (author, request): how often each of its entries is stored."""
    stored: int = 0

    def take(self, tenant: str, bodies: Iterable[bytes]) -> None:
        """Count stored entries of this tenant, and compare each with what was sent."""
        for body in bodies:
            self.stored += 1
            place = entries.place_of(self.run, msgspec.json.decode(body, type=EntryId).id)
            author = None if place is None or place.author >= len(self.authors) else self.authors[place.author]
            if place is None or author is None or author.tenant != tenant or place.position >= author.entries_each:
                self.findings.add("never sent", f"{tenant}: {body[:120].decode(errors='replace')}")
                continue
            request = (place.author, place.request)
            if request not in self.memory.sent:
                self.findings.add("never sent", f"{tenant}: {place}")
            counted = self.times_stored.setdefault(request, bytearray(author.entries_each))
            counted[place.position] = min(counted[place.position] + 1, MOST_COUNTED)
            if RECEIVED_AT.sub(b"", body, count=1) != entries.stored_bytes(self.run, tenant, place):
                self.findings.add("changed", f"{tenant}: {place} has other bytes than were sent")

    def judge(self) -> None:
        """Report what is lost and what is doubled, once everything stored is counted."""
        for author, request in sorted(self.memory.acknowledged):
            counted = self.times_stored.get((author, request), bytearray(self.authors[author].entries_each))
            for position, times in enumerate(counted):
                if times == 0:
                    self.findings.add("lost", f"acknowledged and not stored: {Place(author, request, position)}")
        for (author, request), counted in self.times_stored.items():
            for position, times in enumerate(counted):
                if times > 1:
                    self.findings.add("doubled", f"stored {times} times: {Place(author, request, position)}")

    def entries_in(self, requests: Iterable[tuple[int, int]]) -> int:
        return sum(self.authors[author].entries_each for author, _ in requests)
