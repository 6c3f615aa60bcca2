"""Checking the sections of an evidence file, each for itself, so that any number of processes can share the work."""

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
TOO_MANY = f"there are more than {MAX_PLACES:,} damaged places; the rest of the file was not read"
_BEFORE_TILE = b"\n" + TILE_START
_PLAIN_LINES = re.compile(BODY_LINE.pattern + rb"(\{.*\})\}(?:\n|\Z)")
_MOST_ROWS = WIDTH + MAX_PLACES + 2  # more lines than these cannot be looked at: too many of them are damaged
_PLAIN_BYTES = len(encode_entry(Entry(index=0, salt=bytes(SALT_BYTES)))) - len(b'_base64""0')


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What sections are checked against: range and size, the root (None if it is not known), and sizes in between.

    `cuts` are tree sizes whose roots the reader wants to compare with checkpoints of its own.
    """

    first: int
    end: int
    size: int
    root: bytes | None
    cuts: frozenset[int] = frozenset()

    def wanted(self, tile: int) -> range:
        """The entries of the tile that the file must have."""
        return range(max(self.first, tile * WIDTH), min(self.end, tile * WIDTH + WIDTH))


@dataclass(slots=True, kw_only=True)
class Findings:
    """What one section came to. `tile` is None for entries that stand after no readable commitments.

    Lines are counted from the section's first, which is 0: only who has seen all sections before it knows more.
    """

    tile: int | None = None
    lines: int = 0  # in the section
    damages: list[Damage] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)  # of this tile
    strays: list[int] = field(default_factory=list)  # entries that belong to other tiles
    removed: list[int] = field(default_factory=list)
    highest: int = -1  # entry found here, strays included
    sound: int = 0
    root: bytes = b""
    cut_roots: dict[int, bytes] = field(default_factory=dict)
    trailer: tuple[int, bytes] | None = None
    after: int | None = None  # the first line after the trailer
    unended: int | None = None  # a last line without a newline
    limit: str = ""  # which limit ended the reading, if one did

    @property
    def places(self) -> int:
        """How many damaged places there are, and what takes as much memory."""
        return len(self.damages) + len(self.strays) + (len(self.missing) > 0)

    def add(self, kind: Kind, detail: str, *, index: int | None = None, line: int | None = None) -> None:
        """Note a damage at one entry or line."""
        self.damages.append(Damage(kind=kind, first=index, last=index, line=line, detail=detail))


def check(frame: Frame, blob: bytes) -> list[Findings]:
    """The findings of the sections in a piece of the file, in its order."""
    found: list[Findings] = []
    places = 0
    blob, newline, unended = blob.rpartition(b"\n")
    for section in blob.split(_BEFORE_TILE) if newline else ():
        # Each has lost its last newline, and each but the first the start of its first line.
        findings = _findings_of(frame, (TILE_START if found else b"") + section)
        found.append(findings)
        places += findings.places
        if places > MAX_PLACES or findings.limit:
            findings.limit = findings.limit or TOO_MANY
            return found
    if unended:
        found = found or [Findings()]
        found[-1].unended = found[-1].lines
    return found


def stream(frame: Frame, rows: Iterator[bytes]) -> Findings:
    """The findings of one section too large to be held, whose lines still have their newlines."""
    findings = Findings()
    ended = _StrippedLines(rows)
    first = next(ended, None)
    known: tuple[bytes, ...] = ()
    if first is None:
        return findings
    if first.startswith(TILE_START):
        known = _take_tile(frame, first, findings)
        _check_section(frame, ended, known, findings)
    else:
        _check_section(frame, chain([first], ended), known, findings)
    if ended.unended:
        findings.unended = findings.lines
    return findings


class _StrippedLines:
    """Lines without their newlines; `unended` once there was one that had none."""

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
        rows = section.split(b"\n", _MOST_ROWS) if newline else []
    else:
        rows = section.split(b"\n", _MOST_ROWS)
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
            findings.add(Kind.MISPLACED, f"stands where entry {belonging} belongs", index=index)
    if findings.tile is not None:
        findings.missing = sorted(set(frame.wanted(findings.tile)) - set(order))


def _is_sound(frame: Frame, section: bytes, known: tuple[bytes, ...], findings: Findings) -> bool:
    """Whether the lines are just the entries wanted, all with bodies, in order, and sound.

    Nearly every section of nearly every file is, and to see that takes a third of the time that it takes to say what is
    wrong with each line. A no means nothing: then the lines are looked at one by one.
    """
    if findings.tile is None or len(section) > MAX_LINE_BYTES:
        return False
    wanted = frame.wanted(findings.tile)
    if section.count(b"\n") != len(wanted) - 1 or b"\r" in section or not _is_utf8(section):
        return False
    base = findings.tile * WIDTH
    entries = _PLAIN_LINES.findall(section)
    length = sum([len(index) + len(body) for index, _, body in entries]) + len(entries) * _PLAIN_BYTES - 1
    if length != len(section) or [int(index) for index, _, _ in entries] != list(wanted):
        return False
    found = [sha256(ENTRY_DOMAIN + a2b_base64(salt) + body).digest() for _, salt, body in entries]
    if found != list(known[wanted.start - base : wanted.stop - base]):
        return False
    findings.sound = len(entries)
    findings.lines += len(entries)
    findings.highest = wanted[-1]
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
    wanted = frame.wanted(head.tile)
    if frame.root is None or not wanted:
        return  # there is no root to compare with, or the tile is one too many
    width = min(WIDTH, frame.size - base)
    detail = f"expected {width} commitments, got {len(leaves)}"
    if len(leaves) == width:
        tiles = -(-frame.size // WIDTH)
        try:
            verify.inclusion(leaf_hash=findings.root, index=head.tile, size=tiles, path=head.path, root=frame.root)
        except VerificationError as error:
            detail = f"the commitments are not those of the signed tree: {error.message}"
        else:
            return
    first, last = wanted[0], wanted[-1]
    findings.damages.append(Damage(kind=Kind.COMMITMENTS, first=first, last=last, line=0, detail=detail))


def _check_rows(frame: Frame, rows: Iterable[bytes], known: tuple[bytes, ...], findings: Findings) -> list[int]:
    """The entries of the tile in the order in which they stand, each once. Everything else goes to the findings."""
    tile = findings.tile
    wanted = range(0) if tile is None else frame.wanted(tile)
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
            index, found, removed = _read_entry(row)
        except VerificationError as error:
            findings.add(Kind.UNREADABLE, error.message, line=number)
            continue
        if index not in wanted:
            _add_stray(frame, index, number, findings)
        elif index in order:
            findings.add(Kind.INSERTED, "is there more than once", index=index, line=number)
        else:
            order[index] = None
            if index - base < len(known) and found == known[index - base]:
                findings.sound += 1
                if removed:
                    findings.removed.append(index)
            else:
                _add_mismatch(index, found, known, base, findings)
    return list(order)


def _read_entry(row: bytes) -> tuple[int, bytes, bool]:
    """Index and commitment of an entry's line, and whether its body is removed."""
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
        findings.add(Kind.MISPLACED, f"stands among the entries of tile {findings.tile}", index=index)


def _add_mismatch(index: int, found: bytes, known: tuple[bytes, ...], base: int, findings: Findings) -> None:
    if found in known:
        findings.add(Kind.SWAPPED, f"holds what belongs to entry {base + known.index(found)}", index=index)
    elif index - base < len(known):
        expected = known[index - base].hex()
        findings.add(Kind.CHANGED, f"expected the commitment {expected}, got {found.hex()}", index=index)
    else:
        findings.add(Kind.CHANGED, "there is no commitment for it", index=index)
