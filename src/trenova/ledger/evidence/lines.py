r"""The lines of an evidence file, version 1: each is one JSON object, in the one spelling that `encode` writes.

An entry's line contains the exact bytes of the body, from after `"body":` to before the closing brace: people and tools
can read them, and extracting them costs nothing. A body that is not one line of text with braces around it is written
as base64 under `body_base64`.
"""

import json
import re
from base64 import b64encode
from binascii import a2b_base64
from dataclasses import dataclass
from typing import Any, TypeVar

from trenova.errors import VerificationError
from trenova.ledger.hashing import HASH_BYTES, SALT_BYTES
from trenova.ledger.note import decode_base64

FORMAT = "trenova-evidence"
VERSION = 1
MAX_INDEX = (1 << 63) - 1
# Every limit is far above what `trenova evidence` writes, and is checked before a line is decoded.
MAX_HEADER_BYTES = (
    1 << 20
)  # of the first and of the last line: a checkpoint with 16 of the largest signatures has 90 kB
MAX_TILE_BYTES = 16 << 10  # 256 commitments and a path of 63 hashes are 14 kB
MAX_LINE_BYTES = 4 << 20  # an entry has at most half a MiB, and a third more in base64
MAX_KEYS = 16  # keys that sign at the same time: two during a rotation
MAX_EARLIER = 100
MAX_PATH = 2 * 63  # a consistency proof may go down and up again
TILE_START = b'{"tile":'
TRAILER_START = b'{"end":'
Line = TypeVar("Line")
_INDEX = rb'\{"index":(0|[1-9][0-9]{0,18}),'
_SALTED = _INDEX + rb'"salt":"([A-Za-z0-9+/]{21}[AQgw]==)",'
BODY_LINE = re.compile(_SALTED + rb'"body":')
_BASE64_LINE = re.compile(_SALTED + rb'"body_base64":"([A-Za-z0-9+/]*={0,2})"\}')
_REMOVED_LINE = re.compile(_INDEX + rb'"commitment":"([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)"\}')


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """A checkpoint signed before the file's own, with the consistency proof from one to the other."""

    checkpoint: str
    consistency: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The subject of the file: `count` entries from index `first` of a tenant's ledger, and one signed checkpoint."""

    tenant: str
    origin: str
    keys: tuple[str, ...]
    first: int
    count: int
    checkpoint: str
    earlier: tuple[Earlier, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitments:
    """The commitments of one whole tile, up to 256, and the path from its root to that of the checkpoint."""

    tile: int
    commitments: tuple[bytes, ...]
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry at its 0-based index: salt and body, or, once these are removed, the commitment alone."""

    index: int
    salt: bytes = b""
    body: bytes = b""
    removed: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trailer:
    """The end: the number of entries in the file, and the checkpoint again."""

    entries: int
    checkpoint: str


def encode_header(header: Header) -> bytes:
    """The first line."""
    earlier = [
        {"checkpoint": one.checkpoint, "consistency": [b64encode(part).decode() for part in one.consistency]}
        for one in header.earlier
    ]
    return encode(
        {
            "format": FORMAT,
            "version": VERSION,
            "tenant": header.tenant,
            "origin": header.origin,
            "keys": list(header.keys),
            "first": header.first,
            "count": header.count,
            "checkpoint": header.checkpoint,
            "earlier": earlier,
        }
    )


def decode_header(line: bytes) -> Header:
    """The header of a line, or VerificationError."""
    value = _decode(
        line,
        MAX_HEADER_BYTES,
        {"format", "version", "tenant", "origin", "keys", "first", "count", "checkpoint", "earlier"},
    )
    if (value["format"], value["version"]) != (FORMAT, VERSION) or type(value["version"]) is not int:
        raise VerificationError(
            f"header: expected {FORMAT} version {VERSION}, got {value['format']!r:.40} version {value['version']!r:.20}"
        )
    header = Header(
        tenant=_text(value["tenant"]),
        origin=_text(value["origin"]),
        keys=tuple(_text(key) for key in _list(value["keys"], "keys", MAX_KEYS)),
        first=_number(value["first"]),
        count=_number(value["count"]),
        checkpoint=_text(value["checkpoint"]),
        earlier=tuple(_earlier(one) for one in _list(value["earlier"], "earlier checkpoints", MAX_EARLIER)),
    )
    return _check_spelling(header, encode_header(header), line)


def encode_commitments(line: Commitments) -> bytes:
    """The line before the entries of a tile."""
    path = [b64encode(part).decode() for part in line.path]
    joined = b64encode(b"".join(line.commitments)).decode()
    return encode({"tile": line.tile, "commitments": joined, "path": path})


def decode_commitments(line: bytes) -> Commitments:
    """The commitments of a line, or VerificationError."""
    value = _decode(line, MAX_TILE_BYTES, {"tile", "commitments", "path"})
    joined = decode_base64(_text(value["commitments"]), where="commitments")
    if len(joined) % HASH_BYTES:
        raise VerificationError(f"commitments: expected {HASH_BYTES} bytes each, got {len(joined)} together")
    decoded = Commitments(
        tile=_number(value["tile"]),
        commitments=tuple(joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)),
        path=_hashes(value["path"]),
    )
    return _check_spelling(decoded, encode_commitments(decoded), line)


def encode_entry(entry: Entry) -> bytes:
    """An entry's line."""
    start = b'{"index":%d,' % entry.index
    if entry.removed is not None:
        return start + b'"commitment":"%s"}\n' % b64encode(entry.removed)
    if len(entry.salt) != SALT_BYTES:
        raise ValueError(f"salt has {len(entry.salt)} bytes, must have {SALT_BYTES}")
    start += b'"salt":"%s",' % b64encode(entry.salt)
    if is_plain(entry.body):
        return start + b'"body":%s}\n' % entry.body
    return start + b'"body_base64":"%s"}\n' % b64encode(entry.body)


def decode_entry(line: bytes) -> Entry:
    """The entry of a line without its newline, or VerificationError."""
    if (match := BODY_LINE.match(line)) and line.endswith(b"}"):
        return Entry(
            index=int(match[1]), salt=a2b_base64(match[2]), body=_check_member(line[match.end() : -1], plain=True)
        )
    if match := _REMOVED_LINE.fullmatch(line):
        return Entry(index=int(match[1]), removed=a2b_base64(match[2]))
    if match := _BASE64_LINE.fullmatch(line):
        body = decode_base64(match[3].decode(), where="body")
        return Entry(index=int(match[1]), salt=a2b_base64(match[2]), body=_check_member(body, plain=False))
    raise VerificationError(f"expected an entry, got {line[:80]!r}")


def encode_trailer(trailer: Trailer) -> bytes:
    """The last line."""
    return encode({"end": True, "entries": trailer.entries, "checkpoint": trailer.checkpoint})


def decode_trailer(line: bytes) -> Trailer:
    """The trailer of a line, or VerificationError."""
    value = _decode(line, MAX_HEADER_BYTES, {"end", "entries", "checkpoint"})
    trailer = Trailer(entries=_number(value["entries"]), checkpoint=_text(value["checkpoint"]))
    return _check_spelling(trailer, encode_trailer(trailer), line)


def encode(value: dict[str, Any]) -> bytes:
    """A line: JSON without spaces, UTF-8, nothing escaped but quotes, backslashes and control characters."""
    return (json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


def is_plain(body: bytes) -> bool:
    """Whether a body is written to its line unencoded: one line of UTF-8 with braces around it."""
    if not (body.startswith(b"{") and body.endswith(b"}")) or b"\n" in body or b"\r" in body:
        return False
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _check_member(body: bytes, *, plain: bool) -> bytes:
    if is_plain(body) is not plain:
        name = '"body_base64"' if plain else '"body"'
        raise VerificationError(f"expected the body under {name}, got {body[:80]!r} under the other name")
    return body


def _decode(line: bytes, limit: int, names: set[str]) -> dict[str, Any]:
    if len(line) > limit:
        raise VerificationError(f"expected at most {limit:,} bytes, got {len(line):,}: {line[:40]!r}…")
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or set(value) != names:
        raise VerificationError(f"expected an object of {', '.join(sorted(names))}, got {line[:80]!r}")
    return value


def _check_spelling(value: Line, encoded: bytes, line: bytes) -> Line:
    if encoded[:-1] != line:
        raise VerificationError(f"expected the spelling {encoded[:80]!r}, got {line[:80]!r}")
    return value


def _earlier(value: Any) -> Earlier:
    if not isinstance(value, dict) or set(value) != {"checkpoint", "consistency"}:
        raise VerificationError("header: expected a checkpoint and its consistency proof")
    return Earlier(checkpoint=_text(value["checkpoint"]), consistency=_hashes(value["consistency"]))


def _hashes(value: Any) -> tuple[bytes, ...]:
    parts = tuple(decode_base64(_text(part), where="path") for part in _list(value, "hashes", MAX_PATH))
    if any(len(part) != HASH_BYTES for part in parts):
        raise VerificationError(f"path: expected hashes of {HASH_BYTES} bytes")
    return parts


def _list(value: Any, what: str, limit: int) -> list[Any]:
    if not isinstance(value, list):
        raise VerificationError(f"expected a list of {what}, got {value!r:.80}")
    if len(value) > limit:
        raise VerificationError(f"expected at most {limit} {what}, got {len(value)}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not _is_unicode(value):
        raise VerificationError(f"expected text, got {value!r:.80}")
    return value


def _is_unicode(value: str) -> bool:
    # JSON can spell half a surrogate pair; UTF-8 cannot.
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_INDEX:
        raise VerificationError(f"expected a number from 0 to {MAX_INDEX}, got {value!r:.80}")
    return value
