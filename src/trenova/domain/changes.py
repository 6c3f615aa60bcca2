"""What differs between two states of a thing, as a list that is the same every time, or not at all where it is long."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import dictdiffer

from trenova.config import KIB
from trenova.domain.entry import CANONICAL_FACTOR, MAX_POINTER_LENGTH, Change

# Written out, a change takes at least so many bytes beside its path: `{"after":0,"op":"add","path":""},`.
MIN_CHANGE_BYTES = 33
# As much as the longest entry may have.
MAX_CHANGES_BYTES = CANONICAL_FACTOR * 256 * KIB


@dataclass(frozen=True, slots=True)
class Exact:
    """A boolean or a number, compared as JSON does.

    dictdiffer takes true for 1 and compares numbers as floats, so that 2**53 and 2**53 + 1 would be the same.
    """

    value: bool | int | float
    is_bool: bool


def between(before: dict[str, Any], after: dict[str, Any], most_bytes: int = MAX_CHANGES_BYTES) -> list[Change] | None:
    """Every difference, ordered by path. Arrays are compared position by position; 1 and 1.0 are the same number.

    None where they would take more than `most_bytes`, or one has a longer path than a change may have. The paths are
    what can grow beyond all measure: each repeats the keys above it, of which one may be as long as the entry. So they
    are counted while they are made; the values together are never longer than the two states.
    """
    found: list[Change] = []
    left = most_bytes
    for change in each_change(
        dictdiffer.diff(map_scalars(before, wrap_scalar), map_scalars(after, wrap_scalar), dot_notation=False)
    ):
        left -= MIN_CHANGE_BYTES + len(change.path)
        if left < 0 or len(change.path) > MAX_POINTER_LENGTH:
            return None
        found.append(change)
    return sorted(found, key=lambda change: (change.path, change.op))


def each_change(found: Any) -> Iterator[Change]:
    for kind, where, what in found:
        if kind == "change":
            old, new = what
            yield Change(
                path=pointer(where),
                op="replace",
                before=map_scalars(old, unwrap_scalar),
                after=map_scalars(new, unwrap_scalar),
            )
            continue
        for key, value in what:
            path = pointer([*where, key])
            if kind == "add":
                yield Change(path=path, op="add", after=map_scalars(value, unwrap_scalar))
            else:
                yield Change(path=path, op="remove", before=map_scalars(value, unwrap_scalar))


def pointer(keys: list[str | int]) -> str:
    """A JSON Pointer (RFC 6901 §3) from the keys and positions that lead to a value."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)


def wrap_scalar(leaf: Any) -> Any:
    return Exact(leaf, isinstance(leaf, bool)) if isinstance(leaf, bool | int | float) else leaf


def unwrap_scalar(leaf: Any) -> Any:
    return leaf.value if isinstance(leaf, Exact) else leaf


def map_scalars(value: Any, change: Callable[[Any], Any]) -> Any:
    """A copy of a JSON value with each of its scalars passed through `change`."""
    if isinstance(value, dict):
        return {key: map_scalars(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [map_scalars(item, change) for item in value]
    return change(value)
