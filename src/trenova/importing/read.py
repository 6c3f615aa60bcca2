"""The records of a file or of standard input, one by one, each with its position and its exact bytes."""

import gzip
import io
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from trenova.config import MIB
from trenova.errors import InvalidRequest
from trenova.importing.record import Record, UnreadableRecord, parse, split

STANDARD_INPUT = "-"
MAX_RECORD_BYTES = 16 * MIB  # the most a request may hold, so a longer line could never be sent
MAX_DOCUMENT_BYTES = 1024 * MIB  # a JSON array is read into memory as a whole; NDJSON is not
BUFFER_BYTES = MIB
START_BYTES = 64

GZIP_MAGIC = b"\x1f\x8b"
UTF8_BOM = b"\xef\xbb\xbf"
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
# A JSON array, CloudTrail's object around one, or an object over several lines; all else is one record per line.
DOCUMENT = re.compile(rb'\s*(?:\[|\{\s*"Records"\s*:\s*\[|\{[ \t\r]*\n)')


class Source:
    """An open source. Iterate it once; `consumed_bytes` of `total_bytes` is its progress.

    Both count bytes on disk, compressed if the file is; `total_bytes` is None for a pipe. Consumption runs ahead of the
    yielded records by at most a buffer of 1 MiB, or by a whole JSON array.
    """

    def __init__(self, name: str, fill: Callable[[Any], int | None], total_bytes: int | None) -> None:
        self.name = name
        self.total_bytes = total_bytes
        self.meter = Meter(fill)

    @property
    def consumed_bytes(self) -> int:
        return self.meter.count

    def __iter__(self) -> Iterator[Record | UnreadableRecord]:
        """Every record in order. A record that cannot be used is an `UnreadableRecord`; none is left out silently."""
        stream: io.BufferedReader = io.BufferedReader(self.meter, BUFFER_BYTES)
        if stream.peek(2)[:2] == GZIP_MAGIC:
            stream = io.BufferedReader(Meter(gzip.GzipFile(fileobj=stream).readinto1), BUFFER_BYTES)
        line = 0
        try:
            for record in records(stream):
                line = record.line
                yield record
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            yield UnreadableRecord(
                line + 1, f"the gzip data is damaged: nothing after record {line} can be read ({error})", b""
            )


class Meter(io.RawIOBase):
    """A raw stream that counts the bytes read through it.

    The first read returns at least START_BYTES, unless the source is shorter: they decide what kind of source it is.
    """

    def __init__(self, fill: Callable[[Any], int | None]) -> None:
        super().__init__()
        self.fill = fill
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        size = self.fill(buffer) or 0
        if self.count == 0:
            while 0 < size < START_BYTES and (more := self.fill(memoryview(buffer)[size:])):
                size += more
        self.count += size
        return size


@contextmanager
def open_source(path: str, *, stdin: io.BufferedIOBase | None = None) -> Iterator[Source]:
    """Open a path, or standard input for `-`. The suffix of the name does not matter.

    Raises:
        InvalidRequest: the file does not exist or is not readable.
    """
    if path == STANDARD_INPUT:
        pipe: Any = stdin or sys.stdin.buffer
        # readinto1 returns what is available: a record from a live pipe does not wait for a full buffer.
        yield Source("standard input", pipe.readinto1, None)
        return
    try:
        file = Path(path).open("rb", buffering=0)  # noqa: SIM115 - closed below; only errors of opening are caught
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidRequest(
            f"cannot read {path}: {reason}", hint="name an existing file, or - for standard input"
        ) from None
    with file:
        size = Path(path).stat().st_size if Path(path).is_file() else None
        yield Source(path, file.readinto, size)


def records(stream: io.BufferedReader) -> Iterator[Record | UnreadableRecord]:
    start = stream.peek(BUFFER_BYTES)
    if start.startswith(UTF16_BOMS):
        yield UnreadableRecord(1, "expected UTF-8, found UTF-16; convert the file: iconv -f UTF-16 -t UTF-8", b"")
        return
    if start.startswith(UTF8_BOM):
        stream.read(len(UTF8_BOM))
        start = start[len(UTF8_BOM) :]
    yield from document(stream) if DOCUMENT.match(start) else lines(stream)


def document(stream: io.BufferedReader) -> Iterator[Record | UnreadableRecord]:
    """The elements of one JSON text, numbered from 1."""
    text = stream.read(MAX_DOCUMENT_BYTES + 1)
    if len(text) > MAX_DOCUMENT_BYTES:
        reason = (
            f"a JSON array may have at most {MAX_DOCUMENT_BYTES:,} bytes; write one record per line instead: "
            "jq -c '.[]' or '.Records[]'"
        )
        yield UnreadableRecord(1, reason, b"")
        return
    elements = split(text)
    if isinstance(elements, UnreadableRecord):
        first = text.lstrip().partition(b"\n")[0]
        # One record per line after all; the first happens to be an array.
        yield from lines(io.BytesIO(text)) if isinstance(split(first), list) else [elements]
        return
    for number, element in enumerate(elements, start=1):
        yield parse(number, element) if len(element) <= MAX_RECORD_BYTES else too_long(number, element)


def lines(stream: BinaryIO) -> Iterator[Record | UnreadableRecord]:
    """One record per line, numbered as in an editor. Holds one line at a time, cut at the limit."""
    number = 0
    while line := stream.readline(MAX_RECORD_BYTES + 2):
        number += 1
        record = line.strip()
        if len(record) > MAX_RECORD_BYTES or (len(line) > MAX_RECORD_BYTES and not line.endswith(b"\n")):
            while line and not line.endswith(b"\n"):
                line = stream.readline(BUFFER_BYTES)
            yield too_long(number, record)
        elif record:
            yield parse(number, record)


def too_long(number: int, raw: bytes) -> UnreadableRecord:
    return UnreadableRecord(
        number, f"longer than {MAX_RECORD_BYTES:,} bytes, the most a request may hold", raw[:MAX_RECORD_BYTES]
    )
