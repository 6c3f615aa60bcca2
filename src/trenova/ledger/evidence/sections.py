"""Checking the sections of an evidence file independently, so that any number of processes can share the work."""

import re
from binascii import a2b_base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain

from trenova.errors import VerificationError
from trenova.ledger import verify
from trenova.ledger.evidence import lines
from trenova.ledger.evidence.lines import (
    BODY_LINE,
    MAX_LINE_BYTES,
    TILE_START,
    TRAILER_START,
    Commitments,
    Entry,
    encode_entry,
    is_plain,
)
from trenova.ledger.evidence.verdict import MAX_PLACES, Damage, Kind
from trenova.ledger.hashing import ENTRY_DOMAIN, LEAF_PREFIX, SALT_BYTES, commitment
from trenova.ledger.tiles import WIDTH
from trenova.ledger.tree import root_of

TOO_LONG = f"a line has more than {MAX_LINE_BYTES:,} bytes"
TOO_MANY = f"more than {MAX_PLACES:,} damaged places; the rest of the file was not read"
_BEFORE_TILE = b"\n" + TILE_START
_PLAIN_LINES = re.compile(BODY_LINE.pattern + rb"(\{.*\})\}(?:\n|\Z)")
_MAX_ROWS = WIDTH + MAX_PLACES + 2  # of any more lines too many are damaged, so they are not read
_PLAIN_BYTES = len(encode_entry(Entry(index=0, salt=bytes(SALT_BYTES)))) - len(b'_base64""0')


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What sections are checked against: range, tree size, root (None if unknown), and smaller tree sizes.

    `cuts` are tree sizes whose roots are to be compared with checkpoints that the verifier saved.
    """

    first: int
    end: int
    size: int
    root: bytes | None
    cuts: frozenset[int] = frozenset()

    def expected_indexes(self, tile: int) -> range:
        """The indexes of the tile's entries that the file must hold."""
        return range(max(self.first, tile * WIDTH), min(self.end, tile * WIDTH + WIDTH))


@dataclass(slots=True, kw_only=True)
class Findings:
    """The findings of one section. `tile` is None for entries without readable commitments before them.

    Line numbers count from 0 at the section's first line: the number in the file needs all sections before it.
    """

    tile: int | None = None
    lines: int = 0  # in the section
    damages: list[Damage] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)  # of this tile
    strays: list[int] = field(default_factory=list)  # entries that belong to other tiles
    removed: list[int] = field(default_factory=list)
    highest: int = -1  # index of an entry in this section, strays included
    sound: int = 0
    root: bytes = b""
    cut_roots: dict[int, bytes] = field(default_factory=dict)
    trailer: tuple[int, bytes] | None = None
    after: int | None = None  # the first line after the trailer
    unended: int | None = None  # a last line without a newline
    limit: str = ""  # which limit ended the reading, if one did

    @property
    def places(self) -> int:
        """The number of damaged places, and of strays, which take as much memory."""
        return len(self.damages) + len(self.strays) + (len(self.missing) > 0)

    def add(self, kind: Kind, detail: str, *, index: int | None = None, line: int | None = None) -> None:
        """Record a damage at one entry or line."""
        self.damages.append(Damage(kind=kind, first=index, last=index, line=line, detail=detail))


def check(frame: Frame, blob: bytes) -> list[Findings]:
    """The findings of the sections in a piece of the file, in order."""
    result: list[Findings] = []
    places = 0
    blob, newline, unended = blob.rpartition(b"\n")
    for section in blob.split(_BEFORE_TILE) if newline else ():
        # Splitting removed each section's last newline and, except for the first, the start of its first line.
        findings = _findings_of(frame, (TILE_START if result else b"") + section)
        result.append(findings)
        places += findings.places
        if places > MAX_PLACES or findings.limit:
            findings.limit = findings.limit or TOO_MANY
            return result
    if unended:
        result = result or [Findings()]
        result[-1].unended = result[-1].lines
    return result


def stream(frame: Frame, rows: Iterator[bytes]) -> Findings:
    """The findings of one section too large for memory, whose lines still have their newlines."""
    findings = Findings()
    stripped = _StrippedLines(rows)
    first = next(stripped, None)
    known: tuple[bytes, ...] = ()
    if first is None:
        return findings
    if first.startswith(TILE_START):
        known = _take_tile(frame, first, findings)
        _check_section(frame, stripped, known, findings)
    else:
        _check_section(frame, chain([first], stripped), known, findings)
    if stripped.unended:
        findings.unended = findings.lines
    return findings


class _StrippedLines:
    """Lines without their newlines. Ends before a line that has no newline, and then sets `unended`."""

    def __init__(self, rows: Iterator[bytes]) -> None:
        self._rows = rows
        self.unended = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        row = next(self._rows)
        if row.endswith(b"\n"):
            return row[:-1]
        self.unended = True
        raise StopIteration


def _findings_of(frame: Frame, section: bytes) -> Findings:
    findings = Findings()
    known: tuple[bytes, ...] = ()
    if section.startswith(TILE_START):
        first, newline, section = section.partition(b"\n")
        known = _take_tile(frame, first, findings)
        if newline and _is_sound(frame, section, known, findings):
            return findings
        rows = section.split(b"\n", _MAX_ROWS) if newline else []
    else:
        rows = section.split(b"\n", _MAX_ROWS)
    _check_section(frame, rows, known, findings)
    return findings


def _take_tile(frame: Frame, line: bytes, findings: Findings) -> tuple[bytes, ...]:
    findings.lines = 1
    try:
        head = lines.decode_commitments(line)
    except VerificationError as error:
        findings.add(Kind.UNREADABLE, error.message, line=0)
        return ()
    findings.tile = head.tile
    _check_tile(frame, head, findings)
    return head.commitments


def _check_section(frame: Frame, rows: Iterable[bytes], known: tuple[bytes, ...], findings: Findings) -> None:
    order = _check_rows(frame, rows, known, findings)
    findings.highest = max([*order, *findings.strays], default=-1)
    for index, belonging in zip(order, sorted(order), strict=True):
        if index != belonging:
            findings.add(Kind.MISPLACED, f"is where entry {belonging} belongs", index=index)
    if findings.tile is not None:
        findings.missing = sorted(set(frame.expected_indexes(findings.tile)) - set(order))


def _is_sound(frame: Frame, section: bytes, known: tuple[bytes, ...], findings: Findings) -> bool:
    """True if the lines are exactly the expected entries, all with bodies, in order and undamaged.

    Nearly every section of nearly every file is, and this check takes a third of the time of checking each line.
    False proves nothing: then the lines are checked one by one.
    """
    if findings.tile is None or len(section) > MAX_LINE_BYTES:
        return False
    expected = frame.expected_indexes(findings.tile)
    if section.count(b"\n") != len(expected) - 1 or b"\r" in section or not _is_utf8(section):
        return False
    base = findings.tile * WIDTH
    entries = _PLAIN_LINES.findall(section)
    length = sum([len(index) + len(body) for index, _, body in entries]) + len(entries) * _PLAIN_BYTES - 1
    if length != len(section) or [int(index) for index, _, _ in entries] != list(expected):
        return False
    commitments = [sha256(ENTRY_DOMAIN + a2b_base64(salt) + body).digest() for _, salt, body in entries]
    if commitments != list(known[expected.start - base : expected.stop - base]):
        return False
    findings.sound = len(entries)
    findings.lines += len(entries)
    findings.highest = expected[-1]
    return True


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _check_tile(frame: Frame, head: Commitments, findings: Findings) -> None:
    leaves = [sha256(LEAF_PREFIX + one).digest() for one in head.commitments]
    base = head.tile * WIDTH
    findings.root = root_of(leaves)
    findings.cut_roots = {cut: root_of(leaves[: cut - base]) for cut in frame.cuts if base < cut <= base + len(leaves)}
    expected = frame.expected_indexes(head.tile)
    if frame.root is None or not expected:
        return  # there is no root to compare with, or the tile is outside the range
    width = min(WIDTH, frame.size - base)
    detail = f"expected {width} commitments, got {len(leaves)}"
    if len(leaves) == width:
        tiles = -(-frame.size // WIDTH)
        try:
            verify.inclusion(leaf_hash=findings.root, index=head.tile, size=tiles, path=head.path, root=frame.root)
        except VerificationError as error:
            detail = f"the commitments do not match the signed tree: {error.message}"
        else:
            return
    first, last = expected[0], expected[-1]
    findings.damages.append(Damage(kind=Kind.COMMITMENTS, first=first, last=last, line=0, detail=detail))


def _check_rows(frame: Frame, rows: Iterable[bytes], known: tuple[bytes, ...], findings: Findings) -> list[int]:
    """The indexes of the tile's entries in line order, each once. Adds everything else to the findings."""
    tile = findings.tile
    expected = range(0) if tile is None else frame.expected_indexes(tile)
    base = 0 if tile is None else tile * WIDTH
    order: dict[int, None] = {}
    for row in rows:
        number, findings.lines = findings.lines, findings.lines + 1
        if findings.trailer is not None:
            findings.after = number
            break
        if len(row) >= MAX_LINE_BYTES or findings.places > MAX_PLACES:
            findings.limit = TOO_LONG if len(row) >= MAX_LINE_BYTES else TOO_MANY
            break
        if row.startswith(TRAILER_START):
            findings.trailer = number, row
            continue
        try:
            index, computed, removed = _read_entry(row)
        except VerificationError as error:
            findings.add(Kind.UNREADABLE, error.message, line=number)
            continue
        if index not in expected:
            _add_stray(frame, index, number, findings)
        elif index in order:
            findings.add(Kind.INSERTED, "occurs more than once", index=index, line=number)
        else:
            order[index] = None
            if index - base < len(known) and computed == known[index - base]:
                findings.sound += 1
                if removed:
                    findings.removed.append(index)
            else:
                _add_mismatch(index, computed, known, base, findings)
    return list(order)


def _read_entry(row: bytes) -> tuple[int, bytes, bool]:
    """Index and commitment of the entry in a line, and whether its body is removed."""
    match = BODY_LINE.match(row)
    if match and row[-1:] == b"}" and is_plain(body := row[match.end() : -1]):
        return int(match[1]), sha256(ENTRY_DOMAIN + a2b_base64(match[2]) + body).digest(), False
    entry = lines.decode_entry(row)
    if entry.removed is not None:
        return entry.index, entry.removed, True
    return entry.index, commitment(entry.salt, entry.body), False


def _add_stray(frame: Frame, index: int, line: int, findings: Findings) -> None:
    if not frame.first <= index < frame.end:
        findings.add(Kind.INSERTED, "is not in the range of the file", index=index, line=line)
        return
    findings.strays.append(index)
    if findings.tile is not None:
        findings.add(Kind.MISPLACED, f"is among the entries of tile {findings.tile}", index=index)


def _add_mismatch(index: int, computed: bytes, known: tuple[bytes, ...], base: int, findings: Findings) -> None:
    if computed in known:
        findings.add(Kind.SWAPPED, f"holds the content of entry {base + known.index(computed)}", index=index)
    elif index - base < len(known):
        expected = known[index - base].hex()
        findings.add(Kind.CHANGED, f"expected the commitment {expected}, got {computed.hex()}", index=index)
    else:
        findings.add(Kind.CHANGED, "the file has no commitment for it", index=index)
