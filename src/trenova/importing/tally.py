"""What became of the lines of an import."""

import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

from trenova.client import EntryAnswer
from trenova.errors import EntryProblem, InvalidRequest
from trenova.importing.chunks import Chunk

SPOOLED, PARKED = "spooled", "parked"


class Tally:
    """Counts lines, and writes refused ones with their reasons to a file, which is created with the first of them."""

    def __init__(self, *, refused_file: Path) -> None:
        self.read = self.accepted = self.spooled = self.parked = self.duplicates = self.differing = self.refused = 0
        self.refused_file = refused_file
        self.started = time.monotonic()
        self.file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self.file is not None:
            self.file.close()

    @property
    def settled(self) -> int:
        return self.accepted + self.spooled + self.parked + self.duplicates + self.refused

    def seconds(self) -> float:
        return time.monotonic() - self.started

    def counts(self) -> dict[str, int]:
        """The counts of the summary. In the end `read` is the sum of the others without `differing`."""
        return {
            "read": self.read,
            "accepted": self.accepted,
            "spooled": self.spooled,
            "parked": self.parked,
            "duplicates": self.duplicates,
            "differing": self.differing,
            "refused": self.refused,
        }

    def count(self, entry: EntryAnswer) -> None:
        if entry.duplicate:
            self.duplicates += 1
            self.differing += entry.body_differs
        elif entry.state == SPOOLED:
            self.spooled += 1
        elif entry.state == PARKED:
            self.parked += 1
        else:
            self.accepted += 1

    def refuse(self, file: str, line: int, reason: str, raw: bytes) -> None:
        if self.file is None:
            self.file = self.create_file()
        self.refused += 1
        refused = {"file": file, "line": line, "reason": reason, "record": raw.decode(errors="replace")}
        self.file.write(msgspec.json.encode(refused) + b"\n")

    def create_file(self) -> IO[bytes]:
        try:
            return self.refused_file.open("wb")
        except OSError as error:
            raise InvalidRequest(
                f"cannot write refused lines to {self.refused_file}: {error.strerror}",
                hint="name another file with --refused",
            ) from None

    def refuse_lines(self, chunk: Chunk, problems: Sequence[EntryProblem]) -> None:
        """Refuse the lines of a chunk that the API found invalid: one line per entry, however much is wrong with it."""
        reasons: dict[int, list[str]] = {}
        for problem in problems:
            reasons.setdefault(problem.index, []).append(f"{problem.field} {problem.message}".strip())
        for index, reason in reasons.items():
            line = chunk[index]
            self.refuse(line.file, line.line, "; ".join(reason), line.raw)
