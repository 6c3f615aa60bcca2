"""What a check of an evidence file comes to."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

MAX_PLACES = 10_000  # damaged places; with more of them reading stops, so that a damaged file takes no more memory


class Kind(StrEnum):
    """What is wrong with a place in an evidence file."""

    CHANGED = "changed"  # salt or body is not what the log holds at this index
    SWAPPED = "swapped"  # it is what the log holds at another index
    MISPLACED = "misplaced"  # the line is not where it belongs
    MISSING = "missing"
    INSERTED = "inserted"  # a line too many: twice there, out of the range, or after the end
    UNREADABLE = "unreadable"
    COMMITMENTS = "commitments"  # those of a tile are absent or not those of the signed tree
    CUT = "cut"  # the file ends too early
    TRAILER = "trailer"  # the last line does not say what the header says
    HEADER = "header"
    CHECKPOINT = "checkpoint"  # malformed, of another log, or smaller than the range
    SIGNATURE = "signature"  # not signed by the key that was asked for
    COSIGNATURES = "cosignatures"  # of fewer witnesses than were asked for
    OLDER = "older"  # the file's checkpoint is older than one that the reader holds
    INCONSISTENT = "inconsistent"  # two checkpoints have no history in common
    LIMIT = "limit"  # the file is larger in some way than any that is written; nothing behind that place was read
    UNPROVED = "unproved"  # the file holds nothing that ties it to a checkpoint that the reader holds


class Outcome(StrEnum):
    """What a file comes to, in a word."""

    PROVED = "proved"
    CONSISTENT = "consistent"  # but signed by a key that came with it
    NOT_PROVED = "not proved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """One damaged place: entries `first` to `last` (0-based, both included) or line `line` (from 1), where known."""

    kind: Kind
    detail: str
    first: int | None = None
    last: int | None = None
    line: int | None = None

    def __str__(self) -> str:
        places = [] if self.line is None else [f"line {self.line}"]
        if self.first is not None:
            places.append(f"entry {self.first}" if self.first == self.last else f"entries {self.first}–{self.last}")
        return f"{self.kind}: {', '.join([*places, self.detail])}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome. Evidence holds if there is no damage, and says who wrote it if `trusted_key`.

    `entries` counts the lines of entries that are sound, `removed` lists the ranges (both ends included) of those whose
    bodies are no longer there: the file proves that they were in the log, not what they said or why they are gone.
    """

    damages: tuple[Damage, ...]
    trusted_key: bool
    tenant: str = ""
    origin: str = ""
    size: int = 0
    root: bytes = b""
    first: int = 0
    count: int = 0
    entries: int = 0
    removed: tuple[tuple[int, int], ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing at all is damaged."""
        return not self.damages

    @property
    def outcome(self) -> Outcome:
        """Proved is what nothing speaks against, and what a key speaks for that did not come with the file."""
        if not self.holds:
            return Outcome.NOT_PROVED
        return Outcome.PROVED if self.trusted_key else Outcome.CONSISTENT


def ranges(indexes: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Sorted indexes as ranges, both ends included."""
    found: list[tuple[int, int]] = []
    for index in indexes:
        if found and found[-1][1] == index - 1:
            found[-1] = (found[-1][0], index)
        else:
            found.append((index, index))
    return tuple(found)


def merge_ranges(parts: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Ranges in any order, both ends included, with those that touch each other as one."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(parts):
        if found and found[-1][1] >= first - 1:
            found[-1] = found[-1][0], max(last, found[-1][1])
        else:
            found.append((first, last))
    return tuple(found)


def join_neighbours(damages: Iterable[Damage]) -> tuple[Damage, ...]:
    """The damages in the order of the log, neighbours of the same kind as one."""
    found: list[Damage] = []
    for damage in sorted(damages, key=lambda one: (one.first is not None, one.first or 0, one.line or 0, one.kind)):
        before = found[-1] if found else None
        if (
            before is not None
            and before.kind == damage.kind
            and before.line is None is damage.line
            and before.last is not None
            and damage.first == before.last + 1
        ):
            detail = before.detail if before.detail == damage.detail else "several in a row"
            found[-1] = replace(before, last=damage.last, detail=detail)
        else:
            found.append(damage)
    return tuple(found)
