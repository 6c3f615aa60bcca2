"""`trenova logs`: the logs of all parts in one stream, each line under its part's name.

The keeper is the process that runs PostgreSQL for an API and workers without a `trenova dev`.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from trenova.dev.process import last_lines
from trenova.errors import NotFound

PARTS = ("postgres", "keeper", "temporal", "api", "worker")
WIDTH = max(len(part) for part in PARTS)
LOOK_EVERY_S = 0.2


def show(data_dir: Path, *, follow: bool, lines: int = 20, pause: Callable[[float], None] = time.sleep) -> None:
    """Print the last `lines` of every part's log; with `follow`, continue until Ctrl-C, or until `pause` raises."""
    folder = data_dir / "logs"
    if not folder.is_dir():
        raise NotFound(
            f"there are no logs in {data_dir}",
            hint="start something first (`make dev`, or `make run-worker` and `make run`), or name its --data-dir",
        )
    followers = {part: Follower(folder / f"{part}.log") for part in PARTS}
    for part in PARTS:
        write(part, last_lines(folder / f"{part}.log", lines))
    try:
        while follow:
            for part, follower in followers.items():
                write(part, follower.new_lines())
            pause(LOOK_EVERY_S)
    except KeyboardInterrupt:
        return


def write(part: str, lines: Iterator[str] | list[str]) -> None:
    for line in lines:
        print(f"{part:<{WIDTH}} | {line}", flush=True)  # noqa: T201 - this is the command's output


class Follower:
    """Reads the lines appended to a file from now on; the file may be missing, or replaced by a new one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = path.stat().st_size if path.exists() else 0
        self._rest = b""

    def new_lines(self) -> Iterator[str]:
        try:
            with self._path.open("rb") as file:
                new = self._read(file)
        except FileNotFoundError:
            return
        *whole, self._rest = (self._rest + new).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")

    def _read(self, file: BinaryIO) -> bytes:
        if file.seek(0, 2) < self._position:
            self._position, self._rest = 0, b""
        file.seek(self._position)
        new = file.read()
        self._position += len(new)
        return new
