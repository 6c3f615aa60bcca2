"""Check an evidence file of a Trenova audit ledger. Needs Python 3.11 and `cryptography`, and nothing of Trenova.

    python verify_evidence.py FILE [--key VERIFIER_KEY]... [--known CHECKPOINT_FILE]... [--json]

FILE may be gzip. Give the ledger's verifier key that its owner gave you: without --key the script uses the keys in the
file, and then shows only that the file is consistent, not who wrote it. --known takes a checkpoint that you saved
earlier, and checks that the ledger has only grown since then.

Exit code: 0 proved, 1 not proved, 2 nothing was checked (wrong usage, a file that cannot be read, `cryptography` is not
installed), 3 consistent, but signed by a key that nobody vouched for.

Written independently of the program that it checks, so that both do not share a mistake: every rule comes from
docs/evidence.md, RFC 6962 and the C2SP specifications (signed-note, tlog-checkpoint). It is meant to be read.
"""
# ruff: noqa: T201, TRY301, PLR2004 - one file that prints, with its numbers in place

import argparse
import base64
import hashlib
import io
import json
import os
import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

PROVED, NOT_PROVED, NOT_CHECKED, CONSISTENT = range(4)  # exit codes


def how_to_install() -> str:
    if sys.prefix != sys.base_prefix:
        return f"install it: {sys.executable} -m pip install cryptography"
    programs = os.path.join("audit", "Scripts" if os.name == "nt" else "bin", "")  # noqa: PTH118 - to be typed
    return (
        f"install it: {sys.executable} -m venv audit && {programs}pip install cryptography; "
        f"then start this script with {programs}python"
    )


if sys.version_info < (3, 11):  # noqa: UP036 - an auditor's machine may have an older Python
    print(f"error: nothing was checked: {sys.executable} is older than Python 3.11", file=sys.stderr)
    sys.exit(NOT_CHECKED)
try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError as missing:
    print(f"error: nothing was checked: {sys.executable} has no package cryptography: {missing}", file=sys.stderr)
    print(f"hint: {how_to_install()}", file=sys.stderr)
    sys.exit(NOT_CHECKED)

Key = tuple[str, bytes, bytes]  # name, key id, public key
Head = tuple[str, int, bytes]  # origin, size, root
TILE = 256
NUMBER_LIMIT = 1 << 63
# Far above what `trenova evidence` writes. Each is checked while reading, before memory is used.
FIRST_LINE_LIMIT = 1 << 20  # bytes; also of the last line and of a saved checkpoint
TILE_LINE_LIMIT = 16 << 10
LINE_LIMIT = 4 << 20
KEYS_LIMIT, EARLIER_LIMIT, PATH_LIMIT = 16, 100, 126
PLACES_LIMIT = 10_000


class Invalid(Exception):
    """Something in the file is invalid."""


class Limit(Exception):
    """Something exceeds a limit that no genuine file exceeds; reading stops."""


class Misused(Exception):
    """An argument is invalid, or a file cannot be read. That says nothing about the content of the evidence."""


# ---- hashing (RFC 6962, section 2.1) -------------------------------------------------------------------------------


def leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def half(size: int) -> int:
    """The largest power of two below size."""
    power = 1
    while power * 2 < size:
        power *= 2
    return power


def tree(leaves: list[bytes]) -> bytes:
    if len(leaves) <= 1:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    middle = half(len(leaves))
    return node(tree(leaves[:middle]), tree(leaves[middle:]))


def root_from_path(start: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root computed from a path (leaf to root)."""
    if size == 1:
        if path:
            raise Invalid("the path is too long")
        return start
    if not path:
        raise Invalid("the path is too short")
    middle, rest, last = half(size), path[:-1], path[-1]
    if index < middle:
        return node(root_from_path(start, index, middle, rest), last)
    return node(last, root_from_path(start, index - middle, size - middle, rest))


def consistency_roots(old: int, new: int, path: list[bytes], old_root: bytes | None) -> tuple[bytes, bytes]:
    """Both roots computed from a consistency proof. Consumes the path. old_root is None below a left sibling."""
    if old == new:
        if old_root is not None:
            return old_root, old_root
        if not path:
            raise Invalid("the consistency proof is too short")
        first = path.pop(0)
        return first, first
    if not path:
        raise Invalid("the consistency proof is too short")
    middle, last = half(new), path.pop()
    if old <= middle:
        before, after = consistency_roots(old, middle, path, old_root)
        return before, node(after, last)
    before, after = consistency_roots(old - middle, new - middle, path, None)
    return node(last, before), node(last, after)


def check_consistency(old: Head, new: Head, proof: list[bytes]) -> None:
    path = list(proof)
    if old[1] > new[1]:
        raise Invalid(f"size {old[1]} is larger than {new[1]}")
    roots = consistency_roots(old[1], new[1], path, old[2]) if old[1] else (tree([]), new[2])
    if path:
        raise Invalid("the consistency proof is too long")
    if roots != (old[2], new[2]):
        raise Invalid(f"sizes {old[1]} and {new[1]} have no common history")


# ---- notes and checkpoints (c2sp.org/signed-note, c2sp.org/tlog-checkpoint) ----------------------------------------


def decode_base64(text: str, length: int | None = None) -> bytes:
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError:
        raise Invalid(f"not base64: {text[:60]!r}") from None
    if base64.b64encode(data).decode() != text or length not in {None, len(data)}:
        raise Invalid(f"not base64 of {length or 'any'} bytes: {text[:60]!r}")
    return data


def is_valid_name(name: str) -> bool:
    return bool(name) and "+" not in name and not re.search(r"[\s\x00-\x1f]", name)


def read_key(text: str) -> Key:
    """A ledger's key. A witness's key (type 4) is invalid here: it does not sign for the ledger."""
    parts = text.split("+", 2)
    if len(parts) != 3 or not is_valid_name(parts[0]):
        raise Invalid(f"not a verifier key: {text[:80]!r}")
    name, typed = parts[0], decode_base64(parts[2], 33)
    found = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4]
    if typed[0] != 1 or parts[1] != found.hex():
        raise Invalid(f"not a ledger's verifier key, wrong type or id: {text[:80]!r}")
    return name, found, typed[1:]


def read_note(text: str) -> tuple[str, list[tuple[str, bytes]]]:
    """The signed text and the signatures, each a name and its decoded bytes."""
    if len(text.encode()) > 1 << 20 or re.search(r"[\x00-\x09\x0b-\x1f]", text):
        raise Invalid("the note is too long or has control characters")
    cut = text.rfind("\n\n")
    if cut < 0 or not text.endswith("\n"):
        raise Invalid("the note has no signatures")
    found = []
    for line in text[cut + 2 :].split("\n")[:-1]:
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "\u2014" or not is_valid_name(parts[1]):
            raise Invalid(f"not a signature line: {line[:80]!r}")
        data = decode_base64(parts[2])
        if len(data) < 5:
            raise Invalid(f"a signature line without a signature: {line[:80]!r}")
        found.append((parts[1], data))
    if not 1 <= len(found) <= 100:
        raise Invalid(f"{len(found)} signatures")
    return text[: cut + 1], found


def read_checkpoint(text: str) -> Head:
    lines = text.split("\n")[:-1]
    if len(lines) < 3 or "" in lines or not re.fullmatch("0|[1-9][0-9]{0,18}", lines[1]):
        raise Invalid("not a checkpoint")
    if int(lines[1]) >= NUMBER_LIMIT:
        raise Invalid("the tree size is too large")
    return lines[0], int(lines[1]), decode_base64(lines[2], 32)


def check_signatures(origin: str, text: str, signatures: list[tuple[str, bytes]], keys: list[Key]) -> list[Key]:
    """The keys that have signed for the ledger, at least one, in the order of their lines. Invalid for a bad signature.

    The key's name must be the ledger's: one secret may sign for several ledgers, so a signature of another ledger could
    be relabelled. The name ties the key to the ledger whose text it signed.
    """
    good: list[Key] = []
    for name, data in signatures:
        for key in dict.fromkeys(keys):
            if key[0] != origin or key[:2] != (name, data[:4]):
                continue
            if key in good:
                raise Invalid(f"two signatures of {name}")
            try:
                Ed25519PublicKey.from_public_bytes(key[2]).verify(data[4:], text.encode())
            except (InvalidSignature, ValueError):
                raise Invalid(f"invalid signature of {name}") from None
            good.append(key)
    if not good:
        given = ", ".join(dict.fromkeys(key[0] for key in keys))
        raise Invalid(f"not signed for the ledger {origin} by {f'a key of {given}' if given else 'any known key'}")
    return good


# ---- the lines of the file (docs/evidence.md) ----------------------------------------------------------------------


def encode_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def read_json(line: bytes, names: list[str], limit: int) -> dict[str, Any]:
    """The object in a line, in the only valid spelling, with its members in this order."""
    if len(line) > limit:
        raise Invalid(f"{len(line)} bytes; at most {limit} are allowed: {line[:40]!r}")
    try:
        value = json.loads(line)
        if isinstance(value, dict) and list(value) == names and encode_json(value) == line:
            return value
    except (ValueError, RecursionError):
        pass
    raise Invalid(f"not an object of {', '.join(names)}: {line[:60]!r}")


def number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < NUMBER_LIMIT:
        raise Invalid(f"not a number: {value!r:.60}")
    return value


def string(value: Any) -> str:
    if not isinstance(value, str):
        raise Invalid(f"not text: {value!r:.60}")
    return value


def list_of(value: Any, limit: int) -> list[Any]:
    if not isinstance(value, list):
        raise Invalid(f"not a list: {value!r:.60}")
    if len(value) > limit:
        raise Invalid(f"a list of {len(value)}; at most {limit} are allowed")
    return value


def strings(value: Any, limit: int) -> list[str]:
    return [string(one) for one in list_of(value, limit)]


def read_header(line: bytes) -> dict[str, Any]:
    names = ["format", "version", "tenant", "origin", "keys", "first", "count", "checkpoint", "earlier"]
    header = read_json(line, names, FIRST_LINE_LIMIT)
    if header["format"] != "trenova-evidence" or type(header["version"]) is not int or header["version"] != 1:
        raise Invalid("not an evidence file of version 1")
    for name in ("tenant", "origin", "checkpoint"):
        string(header[name])
    strings(header["keys"], KEYS_LIMIT)
    number(header["first"])
    number(header["count"])
    for one in list_of(header["earlier"], EARLIER_LIMIT):
        if not isinstance(one, dict) or list(one) != ["checkpoint", "consistency"]:
            raise Invalid("an earlier checkpoint is not an object of checkpoint and consistency")
        string(one["checkpoint"])
        one["consistency"] = [decode_base64(part, 32) for part in strings(one["consistency"], PATH_LIMIT)]
    return header


def read_tile(line: bytes) -> tuple[int, list[bytes], list[bytes]]:
    value = read_json(line, ["tile", "commitments", "path"], TILE_LINE_LIMIT)
    joined = decode_base64(string(value["commitments"]))
    if len(joined) % 32:
        raise Invalid("the commitments do not have 32 bytes each")
    path = [decode_base64(part, 32) for part in strings(value["path"], PATH_LIMIT)]
    return number(value["tile"]), [joined[at : at + 32] for at in range(0, len(joined), 32)], path


def read_entry(line: bytes) -> tuple[int, bytes, bool]:
    """Index and commitment of an entry, and whether its body is removed."""
    start, mark, rest = line.partition(b',"body":')
    if mark and rest.endswith(b"}"):
        head = read_json(start + b"}", ["index", "salt"], LINE_LIMIT)
        body, plain = rest[:-1], True
    elif b'"commitment"' in line:
        head = read_json(line, ["index", "commitment"], LINE_LIMIT)
        return entry_index(head["index"]), decode_base64(string(head["commitment"]), 32), True
    else:
        head = read_json(line, ["index", "salt", "body_base64"], LINE_LIMIT)
        body, plain = decode_base64(string(head["body_base64"])), False
    if plain is not is_plain(body):
        raise Invalid(f"the body is under the wrong name: {line[:60]!r}")
    salt = decode_base64(string(head["salt"]), 16)
    return entry_index(head["index"]), hashlib.sha256(b"trenova/entry/v1\x00" + salt + body).digest(), False


def is_plain(body: bytes) -> bool:
    """Whether the body is one line of UTF-8 with braces around it."""
    if body[:1] != b"{" or body[-1:] != b"}" or b"\r" in body or b"\n" in body:
        return False
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def entry_index(value: Any) -> int:
    """An index of at most 19 digits."""
    if type(value) is not int or not 0 <= value < 10**19:
        raise Invalid(f"not an index: {value!r:.60}")
    return value


# ---- the check ------------------------------------------------------------------------------------------------------


class Audit:
    """One pass over a file. Collects every damage; only an unreadable first line or a limit stops it."""

    def __init__(self, keys: list[Key], known: list[bytes]) -> None:
        self.keys, self.known_notes, self.given = list(keys), known, bool(keys)
        self.damages: list[dict[str, Any]] = []
        self.header: dict[str, Any] = {}
        self.head: Head | None = None
        self.known: list[Head] = []
        self.earlier: list[Head] = []
        self.first = self.end = self.size = 0
        self.missing: list[tuple[int, int]] = []  # in tiles that the file has
        self.strays: set[int] = set()  # entries outside of their tile
        self.highest = -1
        self.tiles: dict[int, bytes] = {}
        self.cut_roots: dict[int, bytes] = {}
        self.unplaced: list[int] = []
        self.removed = 0
        self.sound = 0
        # the section that is being read
        self.tile: int | None = None
        self.ignored = False
        self.commitments: list[bytes] = []
        self.order: dict[int, None] = {}
        self.trailer: tuple[int, bytes] | None = None

    def add_damage(
        self, kind: str, detail: str, first: int | None = None, last: int | None = None, line: int | None = None
    ) -> None:
        last = first if last is None else last
        self.damages.append({"kind": kind, "first": first, "last": last, "line": line, "detail": detail})
        if len(self.damages) + len(self.missing) + len(self.strays) > PLACES_LIMIT:
            raise Limit(f"more than {PLACES_LIMIT} damaged places; the rest was not read")

    # -- heads

    def read_signed(self, note: str, what: str) -> Head | None:
        try:
            body, signatures = read_note(note)
            head = read_checkpoint(body)
            if head[0] != self.header["origin"]:
                raise Invalid(f"is of the ledger {head[0]!r:.200}")
        except Invalid as error:
            self.add_damage("checkpoint", f"{what}: {error}")
            return None
        try:
            check_signatures(head[0], body, signatures, self.keys)
        except Invalid as error:
            self.add_damage("signature", f"{what}: {error}")
            return head if what == "checkpoint" else None
        return head

    def check_keys(self, keys: list[Key]) -> None:
        """Check that the keys in the file are those that signed its checkpoint, in the order of their lines."""
        body, signatures = read_note(self.header["checkpoint"])
        try:
            if check_signatures(self.header["origin"], body, signatures, keys) != keys:
                raise Invalid("the keys are not those that signed the checkpoint, or are in another order")
        except Invalid as error:
            self.add_damage("header", str(error))

    def read_heads(self) -> None:
        header, own = self.header, []
        for text in header["keys"]:
            try:
                key = read_key(text)
                if key[0] != header["origin"]:
                    raise Invalid(f"a key of {key[0]!r:.200}")
                own.append(key)
            except Invalid as error:
                self.add_damage("header", str(error))
        self.keys = self.keys if self.given else own
        self.first, self.end = header["first"], header["first"] + header["count"]
        self.size = self.end
        self.head = self.read_signed(header["checkpoint"], "checkpoint")
        if self.head is not None:
            self.check_keys(own)
            self.size = self.head[1]
            if self.end > self.size:
                self.add_damage("checkpoint", f"covers {self.size} entries, the file goes up to {self.end}")
            if header["tenant"] != header["origin"].split("/")[-1]:
                self.add_damage("header", "the tenant is not that of the ledger")
        self.end = min(self.end, self.size)

    def read_other_heads(self) -> None:
        for one in self.header["earlier"]:
            head = self.read_signed(one["checkpoint"], "earlier checkpoint")
            if head is not None and self.head is not None:
                self.earlier.append(head)
                try:
                    check_consistency(head, self.head, one["consistency"])
                except Invalid as error:
                    self.add_damage("inconsistent", f"earlier checkpoint: {error}")
        for note in self.known_notes:
            try:
                head = self.read_signed(note.decode(), "your checkpoint")
            except UnicodeDecodeError:
                self.add_damage("checkpoint", "your checkpoint: not UTF-8")
            else:
                self.known += [head] if head is not None else []

    def compare(self) -> None:
        for _, size, root in self.known:
            if self.head is None:
                continue
            if size > self.head[1]:
                self.add_damage("older", f"your checkpoint has {size} entries, that of the file {self.head[1]}")
                continue
            roots = {head[2] for head in [self.head, *self.earlier] if head[1] == size}
            whole = size // TILE
            if all(tile in self.tiles for tile in range(whole)) and (size % TILE == 0 or size in self.cut_roots):
                parts = [self.tiles[tile] for tile in range(whole)]
                # The tree is also a tree over the roots of its tiles.
                roots.add(tree(parts + ([self.cut_roots[size]] if size % TILE else [])))
            if not roots:
                self.add_damage("unproved", f"the file has no consistency proof from size {size}")
            elif roots != {root}:
                self.add_damage("inconsistent", f"at size {size} your checkpoint has another root than the file")

    # -- sections

    def expected_indexes(self, tile: int) -> range:
        return range(max(self.first, tile * TILE), min(self.end, (tile + 1) * TILE))

    def close_section(self) -> None:
        for index, belonging in zip(self.order, sorted(self.order), strict=True):
            if index != belonging:
                self.add_damage("misplaced", f"is where entry {belonging} belongs", index)
        if self.tile is not None and not self.ignored:
            self.missing += spans(index for index in self.expected_indexes(self.tile) if index not in self.order)
        self.order = {}

    def open_section(self, line: bytes, at: int) -> None:
        self.close_section()
        self.tile, self.commitments, self.ignored = None, [], False
        try:
            tile, self.commitments, path = read_tile(line)
        except Invalid as error:
            self.add_damage("unreadable", str(error), line=at)
            return
        self.tile, expected = tile, self.expected_indexes(tile)
        if not expected or tile in self.tiles:
            self.ignored = True
            first, last = (expected[0], expected[-1]) if expected else (None, None)
            self.add_damage("inserted", f"tile {tile} is outside the range or occurs more than once", first, last, at)
            return
        leaves = [leaf(one) for one in self.commitments]
        self.tiles[tile] = tree(leaves)
        for _, size, _ in self.known:
            if tile * TILE < size <= tile * TILE + len(leaves):
                self.cut_roots[size] = tree(leaves[: size - tile * TILE])
        if self.head is None:
            return
        try:
            if len(leaves) != min(TILE, self.size - tile * TILE):
                raise Invalid(f"{len(leaves)} commitments")
            if root_from_path(self.tiles[tile], tile, -(-self.size // TILE), path) != self.head[2]:
                raise Invalid("the commitments do not match the signed tree")
        except Invalid as error:
            self.add_damage("commitments", str(error), expected[0], expected[-1], at)

    def take_entry(self, line: bytes, at: int) -> None:
        try:
            index, found, removed = read_entry(line)
        except Invalid as error:
            self.add_damage("unreadable", str(error), line=at)
            return
        if not self.first <= index < self.end:
            self.add_damage("inserted", "is not in the range of the file", index, line=at)
            return
        self.highest = max(self.highest, index)
        if self.tile is None:
            self.unplaced.append(index)
            self.strays.add(index)
        elif index // TILE != self.tile:
            self.strays.add(index)
            self.add_damage("misplaced", f"is among the entries of tile {self.tile}", index)
        elif index in self.order:
            self.add_damage("inserted", "occurs more than once", index, line=at)
        else:
            self.order[index] = None
            place = index % TILE
            if place < len(self.commitments) and self.commitments[place] == found:
                self.sound += 1
                self.removed += removed
            elif found in self.commitments:
                other = self.tile * TILE + self.commitments.index(found)
                self.add_damage("swapped", f"holds the content of entry {other}", index)
            else:
                self.add_damage("changed", "is not what the ledger holds", index)

    def read(self, rows: Iterator[tuple[int, bytes]]) -> None:
        for at, row in rows:
            if self.trailer is not None:
                self.add_damage("inserted", "the file goes on after its end", line=at)
                break
            if not row.endswith(b"\n"):
                self.add_damage("unreadable", "the last line has no end", line=at)
            elif row.startswith(b'{"tile":'):
                self.open_section(row[:-1], at)
            elif row.startswith(b'{"end":'):
                self.trailer = (at, row[:-1])
            elif not self.ignored:
                self.take_entry(row[:-1], at)
        self.close_section()

    # -- the whole

    def finish(self, broken: str) -> None:
        end = self.end if self.trailer is not None else max(self.highest + 1, self.first)
        for tile, belonging in zip(self.tiles, sorted(self.tiles), strict=True):
            if tile != belonging:
                expected = self.expected_indexes(tile)
                self.add_damage(
                    "misplaced", f"tile {tile} is where tile {belonging} belongs", expected[0], expected[-1]
                )
        for index in self.unplaced:
            if index // TILE in self.tiles:
                self.add_damage("misplaced", "is not under its commitments", index)
        missing, self.missing = sorted(self.missing), []
        indexes = (index for first, last in missing for index in range(first, last + 1))
        for first, last in spans(index for index in indexes if index < end and index not in self.strays):
            self.add_damage("missing", "not in the file", first, last)
        self.find_absent_tiles(end)
        if self.trailer is not None:
            self.check_trailer(*self.trailer)
            if broken:
                self.add_damage("cut", f"the gzip file is broken after its last line {broken}")
            return
        rest = range(end, self.end)
        start, until = (rest[0], rest[-1]) if rest else (None, None)
        self.add_damage("cut", f"the file ends before its last line {broken}".rstrip(), start, until)

    def find_absent_tiles(self, end: int) -> None:
        """Find whole ranges at once: the file may claim ranges of any length."""
        at = self.first
        for tile in [*sorted(self.tiles), -(-end // TILE)]:
            until = min(tile * TILE, end)
            if at < until:
                self.add_damage("commitments", "not in the file", at, until - 1)
                for stray in sorted(index for index in self.strays if at <= index < until):
                    if at < stray:
                        self.add_damage("missing", "not in the file", at, stray - 1)
                    at = stray + 1
                if at < until:
                    self.add_damage("missing", "not in the file", at, until - 1)
            at = max(at, (tile + 1) * TILE)

    def check_trailer(self, at: int, line: bytes) -> None:
        try:
            value = read_json(line, ["end", "entries", "checkpoint"], FIRST_LINE_LIMIT)
            if value["end"] is not True:
                raise Invalid("end is not true")
            checkpoint, entries = string(value["checkpoint"]), number(value["entries"])
        except Invalid as error:
            self.add_damage("trailer", str(error), line=at)
            return
        if checkpoint != self.header["checkpoint"]:
            self.add_damage("trailer", "the checkpoint differs from that in the first line", line=at)
        if entries != self.header["count"]:
            self.add_damage("trailer", f"expected {self.header['count']} entries, got {entries}", line=at)

    def verdict_unread(self) -> dict[str, Any]:
        return {"holds": False, "verdict": "not proved", "trusted_key": self.given, "damages": self.damages}

    def run(self, source: BinaryIO) -> dict[str, Any]:
        lines = Lines(source)
        rows = lines.rows()
        try:
            line = lines.line(FIRST_LINE_LIMIT)
        except Limit as error:
            self.add_damage("limit", str(error), line=1)
            return self.verdict_unread()
        try:
            if not line.endswith(b"\n"):
                raise Invalid("the first line is absent or does not end in a newline")
            self.header = read_header(line[:-1])
        except Invalid as error:
            self.add_damage("header", str(error), line=1)
            return self.verdict_unread()
        try:
            self.read_heads()
            self.read_other_heads()
            self.read(rows)
            self.finish(lines.broken)
            self.compare()
        except Limit as error:
            damage = {"kind": "limit", "first": None, "last": None, "line": lines.at, "detail": str(error)}
            self.damages.append(damage)
        return {
            "holds": not self.damages,
            "verdict": "not proved" if self.damages else "proved" if self.given else "consistent",
            "trusted_key": self.given,
            "tenant": self.header["tenant"],
            "origin": self.header["origin"],
            "size": self.size,
            "root": self.head[2].hex() if self.head else "",
            "first": self.header["first"],
            "count": self.header["count"],
            "entries": self.sound,
            "removed": self.removed,
            "damages": sorted(self.damages, key=lambda one: (one["first"] or -1, one["line"] or -1)),
        }


def spans(indexes: Iterable[int]) -> list[tuple[int, int]]:
    """Sorted indexes as ranges, both ends included."""
    found: list[tuple[int, int]] = []
    for index in indexes:
        if found and found[-1][1] == index - 1:
            found[-1] = found[-1][0], index
        else:
            found.append((index, index))
    return found


class Lines:
    """The lines of a file, decompressed if it is gzip. `broken` says why they ended early, `at` is the line number."""

    def __init__(self, source: BinaryIO) -> None:
        is_gzip = source.read(2) == b"\x1f\x8b"
        source.seek(0)
        self.gzip = GzipReader(source) if is_gzip else None
        self.lines: BinaryIO = io.BufferedReader(self.gzip, 1 << 17) if self.gzip else source
        self.at = 0

    @property
    def broken(self) -> str:
        return self.gzip.broken if self.gzip else ""

    def line(self, limit: int) -> bytes:
        self.at += 1
        line = self.lines.readline(limit + 1)
        if len(line) > limit and line[limit:] != b"\n":
            raise Limit(f"a line has more than {limit} bytes")
        return line

    def rows(self) -> Iterator[tuple[int, bytes]]:
        while line := self.line(LINE_LIMIT - 1):
            yield self.at, line


class GzipReader(io.RawIOBase):
    """A gzip file of one member with nothing after it, decompressed in pieces."""

    def __init__(self, source: BinaryIO) -> None:
        super().__init__()
        self.source, self.broken = source, ""
        self.zlib = zlib.decompressobj(31)

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int:
        try:
            data = b"" if self.broken else self.unpack(len(room))
        except (zlib.error, OSError) as error:
            self.broken, data = f"({error})", b""
        room[: len(data)] = data
        return len(data)

    def unpack(self, most: int) -> bytes:
        while not self.zlib.eof:
            packed = self.zlib.unconsumed_tail or self.source.read(1 << 16)
            data = self.zlib.decompress(packed, most)
            if data:
                return data
            if not packed and not self.zlib.eof:
                raise OSError("it ends before its checksum")
        if self.zlib.unused_data or self.source.read(1):
            raise OSError("it goes on after its checksum")
        return b""


def printable(line: str) -> str:
    """The line with unprintable characters replaced, which could control the terminal, and shortened."""
    clean = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)
    return clean if len(clean) <= 500 else clean[:499] + "…"


def describe(verdict: dict[str, Any]) -> Iterator[str]:
    count = len(verdict["damages"])
    for one in verdict["damages"]:
        places = [] if one["line"] is None else [f"line {one['line']}"]
        if one["first"] is not None:
            alone = one["first"] == one["last"]
            places.append(f"entry {one['first']}" if alone else f"entries {one['first']}–{one['last']}")
        yield f"{one['kind']}: {', '.join([*places, one['detail']])}"
    if not verdict["holds"]:
        yield f"NOT PROVED: {count:,} {'finding' if count == 1 else 'findings'}"
        return
    noun = "entry" if verdict["entries"] == 1 else "entries"
    what = f"{verdict['entries']:,} {noun} from {verdict['first']} of the ledger {verdict['origin']}"
    word = "proved" if verdict["trusted_key"] else "consistent, but signed by a key that nobody vouched for"
    yield f"{word}: {what}"
    yield f"tree of size {verdict['size']}, root {verdict['root']}"
    if verdict["removed"]:
        yield f"{verdict['removed']:,} have no body any more: they were in the ledger; what they said is not shown"
    if not verdict["trusted_key"]:
        yield "anyone can write such a file: give the ledger's key, as its owner gave it to you, with --key"


# ---- arguments -------------------------------------------------------------------------------------------------------


@contextmanager
def open_file(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise Misused(f"{path}: cannot be read: {error.strerror or error}") from None


def read_known(path: Path) -> str:
    """A saved checkpoint as the exact text of a note.

    Editors and mail programs change line ends, the byte order mark and empty lines at both ends. Undoing that is safe:
    the signature is checked afterwards.
    """
    with open_file(path) as file:
        data = file.read(FIRST_LINE_LIMIT + 1)
    try:
        content = data.decode("utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig")
    except UnicodeDecodeError:
        raise Misused(f"{path}: not a signed checkpoint: not UTF-8 text") from None
    content = content.replace("\r\n", "\n").strip("\n\t ") + "\n"
    try:
        read_checkpoint(read_note(content)[0])
    except Invalid as error:
        raise Misused(f"{path}: not a signed checkpoint: {error}") from None
    return content


def check_known(path: Path, note: str, keys: list[Key], origin: str) -> None:
    """Check that the checkpoint is of the file's ledger, and signed with a key of --key, if any was given."""
    signed, signatures = read_note(note)
    owner = read_checkpoint(signed)[0]
    if owner != origin:
        raise Misused(f"{path}: a checkpoint of the ledger {owner}, but the file is of the ledger {origin}")
    try:
        if keys:
            check_signatures(owner, signed, signatures, keys)
    except Invalid as error:
        raise Misused(f"{path}: {error}") from None


def origin_of(source: BinaryIO) -> str | None:
    """The origin in the file's first line; None if that line is damaged, which the check will report."""
    try:
        return str(read_header(Lines(source).line(FIRST_LINE_LIMIT).removesuffix(b"\n"))["origin"])
    except (Invalid, Limit):
        return None
    finally:
        source.seek(0)


def read_keys(given: list[str]) -> list[Key]:
    """The keys of all --key arguments. One argument may hold several: a file of keys has one on each line.

    An empty argument is an error: a shell passes one for a file that is absent or empty, and ignoring it would mean
    that no signer is checked.
    """
    texts = [each.removeprefix("\ufeff").split() for each in given]
    if [] in texts:
        raise Misused("--key is empty, expected a verifier key: check that the file that it comes from holds one")
    return [read_key(text) for each in texts for text in each]


def check(file: Path, keys: list[Key], known: list[Path]) -> dict[str, Any]:
    notes = {path: read_known(path) for path in known}
    with open_file(file) as source:
        if not source.seekable():
            raise Misused(
                f"{file}: is a pipe, which can be read only once, but the check reads twice: save it to a file first"
            )
        origin = origin_of(source)
        for path, note in notes.items():
            if origin is not None:
                check_known(path, note, keys, origin)
        return Audit(keys, [note.encode() for note in notes.values()]).run(source)


def exit_code(verdict: dict[str, Any]) -> int:
    if not verdict["holds"]:
        return NOT_PROVED
    return PROVED if verdict["trusted_key"] else CONSISTENT


def report_error(reason: str) -> int:
    print(printable(f"error: nothing was checked: {reason}"), file=sys.stderr)
    return NOT_CHECKED


def main() -> int:
    parser = argparse.ArgumentParser(description="Check an evidence file of a Trenova audit ledger.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--key", action="append", default=[], help="verifier key of the ledger: <name>+<id>+<base64>")
    parser.add_argument(
        "--known", action="append", default=[], type=Path, help="file with a checkpoint that you saved earlier"
    )
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")
    options = parser.parse_args()
    try:
        verdict = check(options.file, read_keys(options.key), options.known)
    except (Invalid, Misused) as error:
        return report_error(str(error))
    try:
        print(json.dumps(verdict) if options.json else "\n".join(map(printable, describe(verdict))), flush=True)
    except BrokenPipeError:  # the reader has closed the pipe; the exit code still reports the verdict
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exit_code(verdict)


if __name__ == "__main__":
    sys.exit(main())
