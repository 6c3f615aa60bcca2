"""The journal of the writers: which requests were sent and which were acknowledged."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

Kind = Literal["sent", "acknowledged", "stored", "retried", "refused"]
"""`stored`: acknowledged after `wait=stored`. `retried`: no acknowledgement, sent again. `refused`: rejected
for good, which must not happen to any request of ours."""
KINDS = get_args(Kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One thing that happened to one request, `at` seconds of the wall clock that all processes share."""

    kind: Kind
    author: int
    request: int
    at: float

    @property
    def line(self) -> str:
        return f"{self.kind} {self.author} {self.request} {self.at:.6f}\n"


class Journal:
    """Written line by line, each with one write, so that a reader never sees half a line for long."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def add(self, note: Note) -> None:
        os.write(self._file, note.line.encode())


def parse(line: str) -> Note:
    kind, author, request, at = line.split()
    found = next(each for each in KINDS if each == kind)
    return Note(kind=found, author=int(author), request=int(request), at=float(at))


@dataclass(slots=True)
class Reader:
    """Follows a journal that grows."""

    path: Path
    place: int = 0
    rest: str = ""

    def new(self) -> Iterator[Note]:
        """The notes since the last call."""
        if not self.path.exists():
            return
        with self.path.open(encoding="ascii") as file:
            file.seek(self.place)
            text = self.rest + file.read()
            self.place = file.tell()
        lines = text.split("\n")
        self.rest = lines.pop()
        yield from map(parse, lines)


@dataclass(slots=True)
class Memory:
    """What a journal adds up to. Requests are (author, request)."""

    sent: set[tuple[int, int]] = field(default_factory=set)
    acknowledged: dict[tuple[int, int], float] = field(default_factory=dict)
    """When each request was acknowledged for the first time."""
    newest: float = 0
    """When the last acknowledgement came."""
    retries: int = 0
    refused: list[tuple[int, int]] = field(default_factory=list)

    def take(self, note: Note) -> None:
        request = (note.author, note.request)
        if note.kind == "sent":
            self.sent.add(request)
        elif note.kind == "retried":
            self.retries += 1
        elif note.kind == "refused":
            self.refused.append(request)
        elif request not in self.acknowledged:
            self.acknowledged[request] = note.at
            self.newest = max(self.newest, note.at)
