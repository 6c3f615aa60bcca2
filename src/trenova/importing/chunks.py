"""Mapped lines in chunks of the size of a request."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from trenova.config import MIB

MAX_ENTRIES = 500
# Of the lines as read, which is about what is sent; the API accepts 16 MiB.
MAX_BYTES = MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a file, and its entry."""

    file: str
    line: int
    raw: bytes
    entry: dict[str, Any]


Chunk = list[Line]


def split_into_chunks(lines: Iterable[Line]) -> Iterator[Chunk]:
    """The lines in order, in chunks. An id occurs once per chunk, as the API requires: a second one starts the next."""
    chunk: Chunk = []
    ids: set[tuple[object, object]] = set()
    size = 0
    for line in lines:
        identity = (line.entry.get("tenant"), line.entry.get("id"))
        if chunk and (len(chunk) == MAX_ENTRIES or size + len(line.raw) > MAX_BYTES or identity in ids):
            yield chunk
            chunk, ids, size = [], set(), 0
        chunk.append(line)
        size += len(line.raw)
        if isinstance(identity[1], str):
            ids.add(identity)
    if chunk:
        yield chunk
