"""Unpacking gzip piece by piece, never more at a time than is asked for, however small the file that it comes from."""

import zlib
from typing import BinaryIO

from trenova.errors import VerificationError

MAGIC = b"\x1f\x8b"
BLOCK_BYTES = 64 << 10
_GZIP = 16 + zlib.MAX_WBITS  # as zlib spells "a gzip header and its checksum"


class GzipReader:
    """One gzip member and nothing behind it: two joined files are no file that `trenova evidence` has written."""

    def __init__(self, source: BinaryIO, start: bytes) -> None:
        self._source = source
        self._input = start
        self._zlib = zlib.decompressobj(_GZIP)

    def read(self, count: int) -> bytes:
        """At most `count` bytes, and none at the end; VerificationError when the packed file is broken."""
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
                raise VerificationError("the packed file ends before its checksum")
        if self._zlib.unused_data or self._source.read(1):
            raise VerificationError("the packed file goes on after its checksum")
        return b""
