"""What a worker process and the one that started it, for `--processes`, tell each other: started, and alive.

Both hold an end of one line. The system closes the parent's when the parent ends, however it does: a worker is never
left behind.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import structlog

log = structlog.get_logger()

VARIABLE = "_TRENOVA_WORKER_PARENT"
"""No setting: the number of the file that a worker process inherits."""
STARTED = b"s"


@dataclass(frozen=True, slots=True)
class Parent:
    """As its worker sees it; without a line, nobody."""

    line: socket.socket | None = None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        number = environ.get(VARIABLE)
        if number is None:
            return cls()
        os.set_inheritable(int(number), False)
        line = socket.socket(fileno=int(number))
        line.setblocking(False)
        return cls(line)

    def tell_started(self) -> None:
        if self.line is not None:
            # One byte has room; a parent that is gone is noticed by `watch`.
            try:
                self.line.send(STARTED)
            except OSError as error:
                log.debug("parent not told", error=str(error))

    def watch(self, stop: Callable[[], object]) -> None:
        """Call `stop` on the running loop when the parent has ended."""
        if self.line is None:
            return
        loop, line = asyncio.get_running_loop(), self.line

        def ended() -> None:
            loop.remove_reader(line)
            log.warning("the process that started this worker has ended; this worker ends, too")
            stop()

        # The parent sends nothing: there is something to read only when its end is closed.
        loop.add_reader(line, ended)
