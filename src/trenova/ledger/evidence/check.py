"""Checking a whole evidence file with any number of processes, and naming every damaged place."""

import signal
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import chain
from multiprocessing import get_context
from typing import BinaryIO

from trenova.errors import VerificationError
from trenova.ledger.evidence import sections
from trenova.ledger.evidence.heads import Heads, Trust, compare, read_heads
from trenova.ledger.evidence.lines import Header, decode_header, decode_trailer
from trenova.ledger.evidence.reader import Reader, Rows
from trenova.ledger.evidence.sections import TOO_MANY, Findings, Frame
from trenova.ledger.evidence.verdict import MAX_PLACES, Damage, Kind, Verdict, join_neighbours, merge_ranges, ranges
from trenova.ledger.note import VerifierKey
from trenova.ledger.tiles import WIDTH
from trenova.ledger.verify import CheckSignature

AHEAD = 8  # pieces in progress for each process, so that none waits and memory stays bounded
AHEAD_BYTES = 16 << 20  # the same limit in bytes


def check(  # noqa: PLR0913 - independent inputs of the verifier
    source: BinaryIO,
    *,
    check_signature: CheckSignature,
    keys: Sequence[VerifierKey] | None,
    known: Sequence[bytes] = (),
    witnesses: Sequence[VerifierKey] = (),
    cosignatures: int | None = None,
    processes: int = 1,
) -> Verdict:
    """The verdict on an evidence file, plain or gzip. Never raises because of what the file holds.

    `keys` are the ledger's keys as the verifier knows them. With None the keys in the file are used, which shows that
    the file is consistent, but not who wrote it. `known` are signed checkpoints that the verifier saved earlier: the
    file must continue each of them. At least `cosignatures` of the `witnesses` (default: all) must have cosigned the
    file's checkpoint.
    """
    reader = Reader(source)
    line = reader.line()
    if reader.limit:
        damage = Damage(kind=Kind.LIMIT, line=1, detail=reader.limit)
        return Verdict(damages=(damage,), trusted_key=keys is not None)
    try:
        header = decode_header(line)
    except VerificationError as error:
        damage = Damage(kind=Kind.HEADER, line=1, detail=error.message)
        return Verdict(damages=(damage,), trusted_key=keys is not None)
    required = len({key.public_key for key in witnesses}) if cosignatures is None else cosignatures
    trust = Trust(keys=keys, known=known, witnesses=witnesses, cosignatures=required)
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
    with closing(_check_pieces(frame, reader.pieces(), processes)) as work:
        for findings in work:
            total.take(findings)
            if total.over:
                break
    return total.verdict(heads, trusted=keys is not None, broken=reader.broken, limit=total.limit or reader.limit)


def _check_pieces(frame: Frame, pieces: Iterator[bytes | Rows], processes: int) -> Generator[Findings, None, None]:
    first = next(pieces, None)
    if first is None:
        return
    started = list(_check_piece(frame, first)) if processes > 1 and not isinstance(first, bytes) else []
    yield from started
    second = next(pieces, None) if processes > 1 else None
    if second is None:  # checking one piece takes less time than starting a process
        for piece in pieces if started else chain([first], pieces):
            yield from _check_piece(frame, piece)
        return
    # Only the caller handles Ctrl-C.
    ignore = (signal.SIGINT, signal.SIG_IGN)
    spawn = get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawn, initializer=signal.signal, initargs=ignore) as pool:
        yield from _check_in_pool(pool, frame, chain([] if started else [first], [second], pieces), processes)


def _check_piece(frame: Frame, piece: bytes | Rows) -> list[Findings]:
    return sections.check(frame, piece) if isinstance(piece, bytes) else [sections.stream(frame, piece)]


def _check_in_pool(
    pool: ProcessPoolExecutor, frame: Frame, pieces: Iterator[bytes | Rows], processes: int
) -> Iterator[Findings]:
    in_progress: deque[tuple[int, Future[list[Findings]]]] = deque()
    bytes_in_progress = 0
    try:
        for piece in pieces:
            if isinstance(piece, bytes):
                in_progress.append((len(piece), pool.submit(sections.check, frame, piece)))
                bytes_in_progress += len(piece)
            else:  # its lines are read while they are checked, so no other process can do it
                streamed: Future[list[Findings]] = Future()
                streamed.set_result([sections.stream(frame, piece)])
                in_progress.append((0, streamed))
            while len(in_progress) >= AHEAD * processes or bytes_in_progress > AHEAD_BYTES * processes:
                length, done = in_progress.popleft()
                bytes_in_progress -= length
                yield from done.result()
        for _, done in in_progress:
            yield from done.result()
    finally:  # a file over a limit is not checked to its end
        pool.shutdown(wait=True, cancel_futures=True)


class _Total:
    """The combined findings of all sections, in the order of the file.

    The file may claim any size, so nothing here iterates over the indexes that it claims: only over its lines.
    """

    def __init__(self, frame: Frame, header: Header) -> None:
        self.frame = frame
        self.header = header
        self.damages: list[Damage] = []
        self.missing: list[tuple[int, int]] = []  # ranges within one tile
        self.strays: set[int] = set()
        self.unplaced: list[int] = []  # entries after no readable commitments
        self.removed: list[tuple[int, int]] = []
        self.tiles: dict[int, bytes] = {}  # the root of each, in the order of the file
        self.cut_roots: dict[int, bytes] = {}
        self.highest = frame.first - 1
        self.sound = 0
        self.trailer: tuple[int, bytes] | None = None
        self.after = False
        self.limit = ""
        self.line = 2  # of the next section; the header is line 1

    @property
    def over(self) -> bool:
        """Whether to stop reading: the file goes on after its end, or is over a limit."""
        return self.after or bool(self.limit)

    def take(self, findings: Findings) -> None:
        """Add the findings of the next section."""
        start = self.line
        self.line += findings.lines
        self.limit = findings.limit
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
            expected = self.frame.expected_indexes(tile)
            if not expected or tile in self.tiles:
                detail = f"tile {tile} {'occurs more than once' if expected else 'is not in the range'}"
                self._add(Kind.INSERTED, detail, indexes=expected, line=start)
                self._count()
                return
            self.tiles[tile] = findings.root
        self.damages += [one if one.line is None else replace(one, line=start + one.line) for one in findings.damages]
        self.missing += ranges(findings.missing)
        self.strays.update(findings.strays)
        self.removed += ranges(sorted(findings.removed))
        self.cut_roots |= findings.cut_roots
        self.highest = max(self.highest, findings.highest)
        self.sound += findings.sound
        self._count()

    def _count(self) -> None:
        if len(self.damages) + len(self.missing) + len(self.strays) > MAX_PLACES:
            self.limit = self.limit or TOO_MANY

    def verdict(self, heads: Heads, *, trusted: bool, broken: str, limit: str) -> Verdict:
        """The verdict on the file. Over a limit it says nothing about what has not been read."""
        if limit:
            self._add(Kind.LIMIT, limit, line=self.line)
        else:
            self._check_whole(broken)
            self.damages += compare(heads, self.tiles, self.cut_roots)
        self.damages += heads.damages
        checkpoint = heads.checkpoint
        return Verdict(
            damages=join_neighbours(self.damages),
            trusted_key=trusted,
            tenant=self.header.tenant,
            origin=self.header.origin,
            size=checkpoint.size if checkpoint else 0,
            root=checkpoint.root if checkpoint else b"",
            first=self.header.first,
            count=self.header.count,
            entries=self.sound,
            removed=merge_ranges(self.removed),
        )

    def _check_whole(self, broken: str) -> None:
        end = self.frame.end if self.trailer is not None else self.highest + 1
        self._check_tiles(end)
        for index in self.unplaced:
            if index // WIDTH in self.tiles:
                self._add(Kind.MISPLACED, "is not under its commitments", indexes=range(index, index + 1))
        missing = (index for first, last in sorted(self.missing) for index in range(first, last + 1))
        for start, last in ranges(index for index in missing if index < end and index not in self.strays):
            self._add(Kind.MISSING, "the file does not hold it", indexes=range(start, last + 1))
        self._check_end(end, broken)

    def _check_tiles(self, end: int) -> None:
        order = sorted(self.tiles)
        for tile, belonging in zip(self.tiles, order, strict=True):
            if tile != belonging:
                detail = f"tile {tile} is where tile {belonging} belongs"
                self._add(Kind.MISPLACED, detail, indexes=self.frame.expected_indexes(tile))
        expected = range(self.frame.first // WIDTH, -(-end // WIDTH)) if end > self.frame.first else range(0)
        strays = sorted(self.strays)
        for absent in _gaps(expected, order):
            first, last = absent[0] * WIDTH, absent[-1] * WIDTH + WIDTH
            indexes = range(max(first, self.frame.first), min(last, end))
            self._add(Kind.COMMITMENTS, "the file does not hold the commitments of the tile", indexes=indexes)
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
            self._add(Kind.CUT, f"the gzip file is broken after its last line: {broken}")
        number, line = self.trailer
        try:
            trailer = decode_trailer(line)
        except VerificationError as error:
            self._add(Kind.TRAILER, error.message, line=number)
            return
        if trailer.checkpoint != self.header.checkpoint:
            self._add(Kind.TRAILER, "the checkpoint in the last line differs from that in the first", line=number)
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
