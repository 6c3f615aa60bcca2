"""The channel between a worker process and the process that started it for `--processes`.

It is a socket pair: the worker reports that it has started, and the system closes the parent's end when the parent
dies, in whatever way, so no worker is left behind.
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
"""Not a setting: the file descriptor that a worker process inherits."""
STARTED = b"s"


@dataclass(frozen=True, slots=True)
class Parent:
    """The parent process as seen by its worker; without a channel there is none."""

    channel: socket.socket | None = None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        number = environ.get(VARIABLE)
        if number is None:
            return cls()
        os.set_inheritable(int(number), False)
        channel = socket.socket(fileno=int(number))
        channel.setblocking(False)
        return cls(channel)

    def report_started(self) -> None:
        if self.channel is not None:
            # One byte never blocks; `watch` notices a parent that has ended.
            try:
                self.channel.send(STARTED)
            except OSError as error:
                log.debug("start not reported to the parent process", error=str(error))

    def watch(self, stop: Callable[[], object]) -> None:
        """Call `stop` on the running loop when the parent has ended."""
        if self.channel is None:
            return
        loop, channel = asyncio.get_running_loop(), self.channel

        def on_close() -> None:
            loop.remove_reader(channel)
            log.warning("the process that started this worker has ended; this worker stops, too")
            stop()

        # The parent sends nothing, so the channel becomes readable only when the parent's end is closed.
        loop.add_reader(channel, on_close)
