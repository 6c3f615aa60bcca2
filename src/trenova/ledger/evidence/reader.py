"""Reading an evidence file in pieces of bounded size, whatever the file says and however it is compressed."""

from collections.abc import Callable, Iterator
from typing import BinaryIO

from trenova.errors import VerificationError
from trenova.ledger.evidence.gzip_member import MAGIC, GzipReader
from trenova.ledger.evidence.lines import MAX_HEADER_BYTES, MAX_LINE_BYTES, TILE_START
from trenova.ledger.evidence.sections import TOO_LONG

BLOB_BYTES = 512 << 10  # a piece of work; larger ones do not fit the processor's cache and take half as long again
MAX_PIECE_BYTES = 16 << 20  # a tile whose entries are larger than 64 KiB on average is read line by line
_BEFORE_TILE = b"\n" + TILE_START

Rows = Iterator[bytes]
"""The lines of one tile too large for a piece, each with its newline, read one at a time."""


class Reader:
    """The lines of a file, decompressed if it is gzip.

    `broken` says why the gzip file ended early, and `limit` which limit ended the reading; each is empty otherwise.
    """

    def __init__(self, source: BinaryIO) -> None:
        self.broken = ""
        self.limit = ""
        start = source.read(len(MAGIC))
        is_gzip = start == MAGIC
        self._pending = bytearray(b"" if is_gzip else start)
        self._read_some: Callable[[int], bytes] = GzipReader(source, start).read if is_gzip else source.read

    def line(self) -> bytes:
        """The first line without its newline; empty if there is none or it is too long."""
        searched = 0
        while (end := self._pending.find(b"\n", searched, MAX_HEADER_BYTES + 1)) < 0:
            if len(self._pending) > MAX_HEADER_BYTES:
                self.limit = f"the first line has more than {MAX_HEADER_BYTES:,} bytes"
                return b""
            searched = len(self._pending)
            if not self._fill():
                return b""
        line = bytes(self._pending[:end])
        del self._pending[: end + 1]
        return line

    def pieces(self) -> Iterator[bytes | Rows]:
        """The rest in whole tiles: each piece but the first begins with a tile's line. Exhaust Rows before the next."""
        searched = 0
        while self._fill():
            cut = self._pending.rfind(_BEFORE_TILE, searched)
            if cut >= 0:
                yield self._take(cut + 1)
            searched = max(0, len(self._pending) - len(TILE_START))
            if len(self._pending) > MAX_PIECE_BYTES:
                yield self._rows()
                searched = 0
        if self._pending and not self.limit:
            yield bytes(self._pending)

    def _rows(self) -> Rows:
        at, first = 0, True
        while True:
            end = self._pending.find(b"\n", at)
            if end < 0:
                del self._pending[:at]
                at, end = 0, self._next_newline()
            line = bytes(self._pending[at : end + 1 if end >= 0 else None])
            if len(line) > MAX_LINE_BYTES:
                self.limit = TOO_LONG
                self._pending.clear()
                return
            if not line or (line.startswith(TILE_START) and not first):
                del self._pending[:at]
                return
            at, first = at + len(line), False
            yield line

    def _next_newline(self) -> int:
        end = -1
        while end < 0 and len(self._pending) <= MAX_LINE_BYTES and self._fill():
            end = self._pending.find(b"\n")
        return end

    def _take(self, length: int) -> bytes:
        with memoryview(self._pending) as view:
            piece = bytes(view[:length])
        del self._pending[:length]
        return piece

    def _fill(self) -> bool:
        """Read up to BLOB_BYTES more; False at the end."""
        length = 0
        while length < BLOB_BYTES and not self.broken and not self.limit:
            try:
                block = self._read_some(BLOB_BYTES - length)
            except (OSError, VerificationError) as error:
                self.broken = str(error)
                break
            if not block:
                break
            self._pending += block
            length += len(block)
        return length > 0
