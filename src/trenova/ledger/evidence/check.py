"""Checking a whole evidence file, with as many processes as are given, and naming every damaged place."""

import gzip
import signal
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from itertools import chain
from multiprocessing import get_context
from typing import BinaryIO, cast

from trenova.errors import VerificationError
from trenova.ledger.evidence import sections
from trenova.ledger.evidence.heads import Heads, Trust, compare, read_heads
from trenova.ledger.evidence.lines import TILE_START, Header, decode_header, decode_trailer
from trenova.ledger.evidence.sections import Findings, Frame
from trenova.ledger.evidence.verdict import Damage, Kind, Verdict, joined, ranges
from trenova.ledger.note import VerifierKey
from trenova.ledger.tiles import WIDTH
from trenova.ledger.verify import CheckSignature

BLOB_BYTES = 512 << 10  # a piece of work; larger ones leave the processor's cache and take half as long again
AHEAD = 8  # pieces under way for each process, so that none waits and memory stays bounded
MAX_HEADER_BYTES = 16 << 20
GZIP_MAGIC = b"\x1f\x8b"


def check(  # noqa: PLR0913 - what the reader brings, each for itself
    source: BinaryIO,
    *,
    check_signature: CheckSignature,
    keys: Sequence[VerifierKey] | None = None,
    known: Sequence[bytes] = (),
    witnesses: Sequence[VerifierKey] = (),
    cosignatures: int = 0,
    processes: int = 1,
) -> Verdict:
    """What an evidence file, plain or gzip, is worth. Never raises for what the file holds.

    `keys` are the log's keys as the reader knows them; without, those in the file are taken, which shows that the file
    is whole, but not who wrote it. `known` are signed checkpoints that the reader kept from earlier: the file must
    continue each of them. At least `cosignatures` of the `witnesses` must have cosigned the file's checkpoint.
    """
    reader = _Reader(source)
    line = reader.line()
    try:
        header = decode_header(line)
    except VerificationError as error:
        damage = Damage(kind=Kind.HEADER, line=1, detail=error.message)
        return Verdict(damages=(damage,), trusted_key=keys is not None)
    trust = Trust(keys=keys, known=known, witnesses=witnesses, cosignatures=cosignatures)
    heads = read_heads(header, trust, check_signature)
    size = heads.checkpoint.size if heads.checkpoint else header.first + header.count
    frame = Frame(
        first=header.first,
        end=min(header.first + header.count, size),
        size=size,
        root=heads.checkpoint.root if heads.checkpoint else None,
        cuts=frozenset(known.size for known in heads.known if known.size % WIDTH),
    )
    total = _Total(frame, header)
    for findings in _work(frame, reader.blobs(), processes):
        total.take(findings)
    return total.verdict(heads, trusted=keys is not None, broken=reader.broken)


class _Reader:
    """The lines of a file, unpacked if need be. `broken` says why they ended early, if they did."""

    def __init__(self, source: BinaryIO) -> None:
        self.broken = ""
        self._start = source.read(len(GZIP_MAGIC))
        self._read_some: Callable[[int], bytes] = source.read
        if self._start == GZIP_MAGIC:
            # read1 hands over what it has; read would lose all that it has unpacked when it meets the cut of a file.
            self._read_some = gzip.GzipFile(fileobj=cast("BinaryIO", _Joined(self._start, source))).read1
            self._start = b""

    def line(self) -> bytes:
        """The first line, without its newline; empty if there is none."""
        while b"\n" not in self._start and len(self._start) < MAX_HEADER_BYTES:
            block = self._read()
            if not block:
                return b""
            self._start += block
        line, _, self._start = self._start.partition(b"\n")
        return line

    def blobs(self) -> Iterator[bytes]:
        """The rest in pieces, each but the first of which begins with a tile's line."""
        pending, searched = bytearray(self._start), 0
        while block := self._read():
            pending += block
            cut = pending.rfind(b"\n" + TILE_START, searched)
            if cut >= 0:
                yield bytes(pending[: cut + 1])
                del pending[: cut + 1]
            searched = max(0, len(pending) - len(TILE_START))
        if pending:
            yield bytes(pending)

    def _read(self) -> bytes:
        blocks, length = [], 0
        while length < BLOB_BYTES:
            try:
                block = self._read_some(BLOB_BYTES - length)
            except (EOFError, OSError, zlib.error) as error:
                self.broken = str(error)
                break
            if not block:
                break
            blocks.append(block)
            length += len(block)
        return b"".join(blocks)


class _Joined:
    """The bytes that were read to see what the file is, and the rest of it."""

    def __init__(self, start: bytes, rest: BinaryIO) -> None:
        self._start = start
        self._rest = rest

    def read(self, count: int = -1) -> bytes:
        """At most `count` bytes."""
        start, self._start = self._start, b""
        return start or self._rest.read(count)


def _work(frame: Frame, blobs: Iterator[bytes], processes: int) -> Iterator[Findings]:
    first = next(blobs, None)
    second = next(blobs, None) if processes > 1 else None
    if first is None:
        return
    if second is None:  # one piece is checked sooner than a process starts
        for blob in chain([first], blobs):
            yield from sections.check(frame, blob)
        return
    under_way: deque[Future[list[Findings]]] = deque()
    # Ctrl-C is for the caller to answer, not for them.
    ignore = (signal.SIGINT, signal.SIG_IGN)
    spawn = get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawn, initializer=signal.signal, initargs=ignore) as pool:
        for blob in chain([first, second], blobs):
            under_way.append(pool.submit(sections.check, frame, blob))
            if len(under_way) >= AHEAD * processes:
                yield from under_way.popleft().result()
        while under_way:
            yield from under_way.popleft().result()


class _Total:
    """The findings of all sections, in the order of the file, put together.

    Sizes come from the file, so nothing here goes through all indexes that it claims to have: only through its lines.
    """

    def __init__(self, frame: Frame, header: Header) -> None:
        self.frame = frame
        self.header = header
        self.damages: list[Damage] = []
        self.missing: list[int] = []
        self.strays: set[int] = set()
        self.unplaced: list[int] = []  # entries after no readable commitments
        self.removed: list[int] = []
        self.tiles: dict[int, bytes] = {}  # root of each, in the order of the file
        self.cut_roots: dict[int, bytes] = {}
        self.highest = frame.first - 1
        self.sound = 0
        self.trailer: tuple[int, bytes] | None = None
        self.after = False
        self.line = 2  # of the next section; the header is line 1

    def take(self, findings: Findings) -> None:
        """Add the findings of the next section."""
        start = self.line
        self.line += findings.lines
        if self.trailer is not None:
            self._go_on_after(start)
            return
        if findings.trailer is not None:
            self.trailer = start + findings.trailer[0], findings.trailer[1]
        if findings.after is not None:
            self._go_on_after(start + findings.after)
        if findings.unended is not None and self.trailer is None:
            self._add(Kind.UNREADABLE, "the last line has no end", line=start + findings.unended)
        elif findings.unended is not None:
            self._go_on_after(start + findings.unended)
        tile = findings.tile
        if tile is None:
            self.unplaced += findings.strays
        else:
            wanted = self.frame.wanted(tile)
            if not wanted or tile in self.tiles:
                detail = f"tile {tile} is {'there more than once' if wanted else 'not in the range'}"
                self._add(Kind.INSERTED, detail, indexes=wanted, line=start)
                return
            self.tiles[tile] = findings.root
        self.damages += [one if one.line is None else replace(one, line=start + one.line) for one in findings.damages]
        self.missing += findings.missing
        self.strays.update(findings.strays)
        self.removed += findings.removed
        self.cut_roots |= findings.cut_roots
        self.highest = max(self.highest, findings.highest)
        self.sound += findings.sound

    def verdict(self, heads: Heads, *, trusted: bool, broken: str) -> Verdict:
        """What all of it comes to."""
        end = self.frame.end if self.trailer is not None else self.highest + 1
        self._check_tiles(end)
        for index in self.unplaced:
            if index // WIDTH in self.tiles:
                self._add(Kind.MISPLACED, "stands apart from its commitments", indexes=range(index, index + 1))
        missing = sorted(index for index in self.missing if index < end and index not in self.strays)
        for start, last in ranges(missing):
            self._add(Kind.MISSING, "the file does not hold it", indexes=range(start, last + 1))
        self._check_end(end, broken)
        self.damages += heads.damages
        self.damages += compare(heads, self.tiles, self.cut_roots)
        checkpoint = heads.checkpoint
        return Verdict(
            damages=joined(self.damages),
            trusted_key=trusted,
            tenant=self.header.tenant,
            origin=self.header.origin,
            size=checkpoint.size if checkpoint else 0,
            root=checkpoint.root if checkpoint else b"",
            first=self.header.first,
            count=self.header.count,
            entries=self.sound,
            removed=ranges(sorted(self.removed)),
        )

    def _check_tiles(self, end: int) -> None:
        order = sorted(self.tiles)
        for tile, belonging in zip(self.tiles, order, strict=True):
            if tile != belonging:
                detail = f"tile {tile} stands where tile {belonging} belongs"
                self._add(Kind.MISPLACED, detail, indexes=self.frame.wanted(tile))
        expected = range(self.frame.first // WIDTH, -(-end // WIDTH)) if end > self.frame.first else range(0)
        strays = sorted(self.strays)
        for absent in _gaps(expected, order):
            first, last = absent[0] * WIDTH, absent[-1] * WIDTH + WIDTH
            indexes = range(max(first, self.frame.first), min(last, end))
            self._add(Kind.COMMITMENTS, "the file does not hold those of the tile", indexes=indexes)
            for gap in _gaps(indexes, strays):
                self._add(Kind.MISSING, "the file does not hold it", indexes=gap)

    def _go_on_after(self, line: int) -> None:
        if not self.after:
            self._add(Kind.INSERTED, "the file goes on after its end", line=line)
        self.after = True

    def _check_end(self, end: int, broken: str) -> None:
        if self.trailer is None:
            detail = f"the file ends before its last line{': ' + broken if broken else ''}"
            self._add(Kind.CUT, detail, indexes=range(end, self.frame.end))
            return
        if broken:
            self._add(Kind.CUT, f"the packed file is broken after its last line: {broken}")
        number, line = self.trailer
        try:
            trailer = decode_trailer(line)
        except VerificationError as error:
            self._add(Kind.TRAILER, error.message, line=number)
            return
        if trailer.checkpoint != self.header.checkpoint:
            self._add(Kind.TRAILER, "the checkpoint of the last line is not that of the first", line=number)
        if trailer.entries != self.header.count:
            detail = f"expected {self.header.count} entries, got {trailer.entries}"
            self._add(Kind.TRAILER, detail, line=number)

    def _add(self, kind: Kind, detail: str, *, indexes: range = range(0), line: int | None = None) -> None:
        first, last = (indexes[0], indexes[-1]) if indexes else (None, None)
        self.damages.append(Damage(kind=kind, first=first, last=last, line=line, detail=detail))


def _gaps(whole: range, present: Iterable[int]) -> Iterator[range]:
    """The parts of a range between the sorted numbers that are present."""
    at = whole.start
    for number in present:
        if number in whole:
            if number > at:
                yield range(at, number)
            at = number + 1
    if at < whole.stop:
        yield range(at, whole.stop)
