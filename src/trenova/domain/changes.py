"""The differences between two states of an object, as a reproducible list, or None if the list would be too long."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import dictdiffer

from trenova.config import KIB
from trenova.domain.entry import CANONICAL_FACTOR, MAX_POINTER_LENGTH, Change

# The size of the shortest change in JSON without its path: `{"after":0,"op":"add","path":""},`.
MIN_CHANGE_BYTES = 33
# The limit for the longest entry.
MAX_CHANGES_BYTES = CANONICAL_FACTOR * 256 * KIB


@dataclass(frozen=True, slots=True)
class Exact:
    """A boolean or a number, compared as in JSON.

    For dictdiffer true equals 1, and numbers are floats, so that 2**53 equals 2**53 + 1.
    """

    value: bool | int | float
    is_bool: bool


def between(before: dict[str, Any], after: dict[str, Any], most_bytes: int = MAX_CHANGES_BYTES) -> list[Change] | None:
    """Every difference, ordered by path. Arrays are compared position by position; 1 and 1.0 are the same number.

    None if the list would take more than `most_bytes`, or a path is too long. Only the paths can grow without bound:
    each repeats the keys above it, and one key may be as long as the entry. So paths are counted while they are made;
    the values together are never longer than the two states.
    """
    result: list[Change] = []
    left = most_bytes
    for change in each_change(
        dictdiffer.diff(map_scalars(before, wrap_scalar), map_scalars(after, wrap_scalar), dot_notation=False)
    ):
        left -= MIN_CHANGE_BYTES + len(change.path)
        if left < 0 or len(change.path) > MAX_POINTER_LENGTH:
            return None
        result.append(change)
    return sorted(result, key=lambda change: (change.path, change.op))


def each_change(differences: Any) -> Iterator[Change]:
    for kind, where, what in differences:
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
    """A JSON Pointer (RFC 6901 §3) from the keys and positions on the way to a value."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)


def wrap_scalar(leaf: Any) -> Any:
    return Exact(leaf, isinstance(leaf, bool)) if isinstance(leaf, bool | int | float) else leaf


def unwrap_scalar(leaf: Any) -> Any:
    return leaf.value if isinstance(leaf, Exact) else leaf


def map_scalars(value: Any, change: Callable[[Any], Any]) -> Any:
    """A copy of a JSON value with `change` applied to each scalar."""
    if isinstance(value, dict):
        return {key: map_scalars(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [map_scalars(item, change) for item in value]
    return change(value)
