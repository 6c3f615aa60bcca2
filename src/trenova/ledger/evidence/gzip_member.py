"""Decompressing gzip in pieces, never more at once than requested: a tiny file may expand a thousandfold."""

import zlib
from typing import BinaryIO

from trenova.errors import VerificationError

MAGIC = b"\x1f\x8b"
BLOCK_BYTES = 64 << 10
_GZIP = 16 + zlib.MAX_WBITS  # zlib's code for "with gzip header and checksum"


class GzipReader:
    """One gzip member with nothing after it: `trenova evidence` never writes two joined files."""

    def __init__(self, source: BinaryIO, start: bytes) -> None:
        self._source = source
        self._input = start
        self._zlib = zlib.decompressobj(_GZIP)

    def read(self, count: int) -> bytes:
        """At most `count` bytes, none at the end. Raises VerificationError when the gzip file is broken."""
        try:
            return self._read(count)
        except zlib.error as error:
            raise VerificationError(str(error)) from None

    def _read(self, count: int) -> bytes:
        while not self._zlib.eof:
            packed = self._zlib.unconsumed_tail or self._input or self._source.read(BLOCK_BYTES)
            self._input = b""
            unpacked = self._zlib.decompress(packed, count)
            if unpacked:
                return unpacked
            if not packed and not self._zlib.eof:
                raise VerificationError("the gzip file ends before its checksum")
        if self._zlib.unused_data or self._source.read(1):
            raise VerificationError("the gzip file goes on after its checksum")
        return b""
