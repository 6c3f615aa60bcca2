"""Standard output and standard error whose reader may leave, as `head` does once it has its lines."""

import errno
import io
import os
import select
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from trenova.errors import OutputFailed, ReaderLeft

READER_LEFT = 141
"""The exit code of a program that SIGPIPE ends, as a shell shows it. Not 0: a verification cut short proves nothing."""


def set_up() -> None:
    """From here on a reader of standard output who leaves ends the program; one of standard error is not missed.

    SIGPIPE itself stays ignored: it would also come from a connection that a server closes.
    """
    sys.stdout = opened(sys.stdout, Output)
    sys.stderr = opened(sys.stderr, Messages)


def pause(seconds: float) -> None:
    """Sleep, for commands that follow something. Raises ReaderLeft, since with nothing to write none would notice."""
    time.sleep(seconds)
    look()


def look() -> None:
    """Raise ReaderLeft if standard output is a pipe that nobody reads."""
    poll = select.poll()
    poll.register(sys.stdout, 0)
    if any(event & select.POLLERR for _, event in poll.poll(0)):
        raise ReaderLeft("nobody reads standard output any more")


class Output(io.FileIO):
    """Standard output."""

    def write(self, data: bytes) -> int:  # type: ignore[override] # typeshed has any buffer here
        try:
            return super().write(data)
        except OSError as error:
            # What is still buffered has nowhere to go, and must not fail once more when Python flushes it at its end.
            lead_nowhere(self.fileno())
            # No OSError: Rich and Typer would take it for theirs, and end with 1.
            if error.errno == errno.EPIPE:
                raise ReaderLeft("nobody reads standard output any more") from None
            raise OutputFailed(f"standard output cannot be written: {error.strerror}") from None


class Messages(io.FileIO):
    """Standard error: a program goes on without those who read its messages, above all a server without its log.

    A reader that has left does not come back. A disk that is full may have room again: then only these bytes are lost.
    """

    def write(self, data: bytes) -> int:  # type: ignore[override] # typeshed has any buffer here
        try:
            return super().write(data)
        except OSError as error:
            if error.errno == errno.EPIPE:
                lead_nowhere(self.fileno())
            return len(data)


def lead_nowhere(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def opened(stream: TextIO | None, kind: type[Output | Messages]) -> TextIO:
    """The same file in the same encoding, through `kind`; nowhere for one that was closed before this program began.

    A stream in memory stays: it has no reader that could leave.
    """
    if not isinstance(stream, io.TextIOWrapper):
        return stream or Path(os.devnull).open("w", encoding="utf-8")
    stream.flush()
    try:
        raw: Any = kind(stream.fileno(), "w", closefd=False)
    except io.UnsupportedOperation:
        return stream
    return io.TextIOWrapper(
        # With `python -u` there is no buffer, as Python itself does it.
        raw if stream.write_through else io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
