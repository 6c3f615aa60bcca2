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
    """From now on a closed standard output ends the program, and a closed standard error is ignored.

    SIGPIPE itself stays ignored: it would also come from a connection that a server closes.
    """
    sys.stdout = reopen(sys.stdout, Output)
    sys.stderr = reopen(sys.stderr, Messages)


def pause(seconds: float) -> None:
    """Sleep, for commands that follow something. Raises ReaderLeft, which only a write would notice otherwise."""
    time.sleep(seconds)
    check_reader()


def check_reader() -> None:
    """Raise ReaderLeft if standard output is a pipe without a reader."""
    poll = select.poll()
    poll.register(sys.stdout, 0)
    if any(event & select.POLLERR for _, event in poll.poll(0)):
        raise ReaderLeft("standard output has no reader any more")


class Output(io.FileIO):
    """Standard output."""

    def write(self, data: bytes) -> int:  # type: ignore[override] # typeshed has any buffer here
        try:
            return super().write(data)
        except OSError as error:
            # What is still buffered can go nowhere, and must not fail again when Python flushes it at exit.
            redirect_to_devnull(self.fileno())
            # Not an OSError: Rich and Typer would handle it as theirs and exit with 1.
            if error.errno == errno.EPIPE:
                raise ReaderLeft("standard output has no reader any more") from None
            raise OutputFailed(f"standard output cannot be written: {error.strerror}") from None


class Messages(io.FileIO):
    """Standard error: a program, above all a server, continues when its messages cannot be written.

    A reader that has left does not return. A full disk may have room again: then only these bytes are lost.
    """

    def write(self, data: bytes) -> int:  # type: ignore[override] # typeshed has any buffer here
        try:
            return super().write(data)
        except OSError as error:
            if error.errno == errno.EPIPE:
                redirect_to_devnull(self.fileno())
            return len(data)


def redirect_to_devnull(descriptor: int) -> None:
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, descriptor)
    os.close(devnull)


def reopen(stream: TextIO | None, kind: type[Output | Messages]) -> TextIO:
    """The same file in the same encoding, through `kind`; /dev/null for one that was closed before this program began.

    A stream in memory is returned unchanged: it has no reader that could leave.
    """
    if not isinstance(stream, io.TextIOWrapper):
        return stream or Path(os.devnull).open("w", encoding="utf-8")
    stream.flush()
    try:
        raw: Any = kind(stream.fileno(), "w", closefd=False)
    except io.UnsupportedOperation:
        return stream
    return io.TextIOWrapper(
        # `python -u` has no buffer; neither does this.
        raw if stream.write_through else io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
