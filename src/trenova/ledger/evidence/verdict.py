"""The result of checking an evidence file."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

MAX_PLACES = 10_000  # damaged places; with more of them reading stops, which bounds the memory for a damaged file


class Kind(StrEnum):
    """What is wrong with a place in an evidence file."""

    CHANGED = "changed"  # salt or body is not what the ledger holds at this index
    SWAPPED = "swapped"  # it is what the ledger holds at another index
    MISPLACED = "misplaced"  # the line is not where it belongs
    MISSING = "missing"
    INSERTED = "inserted"  # a surplus line: a duplicate, outside the range, or after the end
    UNREADABLE = "unreadable"
    COMMITMENTS = "commitments"  # those of a tile are absent or do not match the signed tree
    CUT = "cut"  # the file ends too early
    TRAILER = "trailer"  # the last line contradicts the header
    HEADER = "header"
    CHECKPOINT = "checkpoint"  # malformed, of another ledger, or smaller than the range
    SIGNATURE = "signature"  # not signed by the expected key
    COSIGNATURES = "cosignatures"  # of fewer witnesses than required
    OLDER = "older"  # the file's checkpoint is older than one that the verifier saved
    INCONSISTENT = "inconsistent"  # two checkpoints have no history in common
    LIMIT = "limit"  # the file exceeds a limit that no genuine file exceeds; nothing after that place was read
    UNPROVED = "unproved"  # the file holds no proof that it continues a checkpoint that the verifier saved


class Outcome(StrEnum):
    """The verdict in a word."""

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
    """The outcome. The evidence is valid if there is no damage; with `trusted_key` it also shows who wrote it.

    `entries` counts the undamaged entries; `removed` lists the ranges (both ends included) of those whose bodies have
    been removed: the file proves that they were in the ledger, not what they said or why they were removed.
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
        """Whether nothing is damaged."""
        return not self.damages

    @property
    def outcome(self) -> Outcome:
        """PROVED needs no damage, and a key that did not come with the file."""
        if not self.holds:
            return Outcome.NOT_PROVED
        return Outcome.PROVED if self.trusted_key else Outcome.CONSISTENT


def ranges(indexes: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Sorted indexes as ranges, both ends included."""
    result: list[tuple[int, int]] = []
    for index in indexes:
        if result and result[-1][1] == index - 1:
            result[-1] = (result[-1][0], index)
        else:
            result.append((index, index))
    return tuple(result)


def merge_ranges(parts: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Ranges in any order (both ends included), sorted, with adjacent and overlapping ones merged."""
    result: list[tuple[int, int]] = []
    for first, last in sorted(parts):
        if result and result[-1][1] >= first - 1:
            result[-1] = result[-1][0], max(last, result[-1][1])
        else:
            result.append((first, last))
    return tuple(result)


def join_neighbours(damages: Iterable[Damage]) -> tuple[Damage, ...]:
    """The damages in the order of the ledger, with neighbours of the same kind joined."""
    result: list[Damage] = []
    for damage in sorted(damages, key=lambda one: (one.first is not None, one.first or 0, one.line or 0, one.kind)):
        before = result[-1] if result else None
        if (
            before is not None
            and before.kind == damage.kind
            and before.line is None is damage.line
            and before.last is not None
            and damage.first == before.last + 1
        ):
            detail = before.detail if before.detail == damage.detail else "several consecutive entries"
            result[-1] = replace(before, last=damage.last, detail=detail)
        else:
            result.append(damage)
    return tuple(result)
