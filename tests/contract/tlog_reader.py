"""A reader of transparency logs, written from C2SP (signed-note, tlog-checkpoint, tlog-tiles) and RFC 6962 alone."""

import base64
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Fetch = Callable[[str], Awaitable[bytes]]


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def tree_hash(leaves: list[bytes]) -> bytes:
    """The Merkle tree hash of RFC 6962 §2.1."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256()
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return sha256(b"\1", tree_hash(leaves[:half]), tree_hash(leaves[half:]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    origin: str
    size: int
    root: bytes


def read_checkpoint(note: bytes, key: str) -> Head:
    """The checkpoint in a note; fails unless it is signed with this verifier key."""
    text, _, signatures = note.decode().rpartition("\n\n")
    name, key_id, public = key.split("+", 2)
    kind_and_key = base64.b64decode(public)
    assert kind_and_key[0] == 1
    assert sha256(name.encode(), b"\n", kind_and_key)[:4].hex() == key_id
    lines = [line.split(" ") for line in signatures.splitlines()]
    (signature,) = [base64.b64decode(data) for mark, signer, data in lines if (mark, signer) == ("—", name)]
    assert signature[:4].hex() == key_id
    Ed25519PublicKey.from_public_bytes(kind_and_key[1:]).verify(signature[4:], f"{text}\n".encode())
    origin, size, root = text.split("\n")
    return Head(origin=origin, size=int(size), root=base64.b64decode(root))


def path(row: str, number: int, width: int) -> str:
    digits = f"{number:03}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    name = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return f"tile/{row}/{name}" + (f".p/{width}" if width < 256 else "")


async def row_of_tiles(fetch: Fetch, row: str, width: int) -> list[bytes]:
    """The contents of all tiles of a row that is `width` wide, full ones and the partial last one."""
    starts = range(0, width, 256)
    return [await fetch(path(row, start // 256, min(256, width - start))) for start in starts]


def records(bundle: bytes) -> list[bytes]:
    found = []
    while bundle:
        length = int.from_bytes(bundle[:2], "big")
        found.append(bundle[2 : 2 + length])
        assert len(found[-1]) == length
        bundle = bundle[2 + length :]
    return found


async def walk(fetch: Fetch, head: Head) -> list[bytes]:
    """The log's entries (commitments), after checking every tile and the root against them."""
    entries = [each for bundle in await row_of_tiles(fetch, "entries", head.size) for each in records(bundle)]
    leaves = [sha256(b"\0", entry) for entry in entries]
    assert len(leaves) == head.size
    assert tree_hash(leaves) == head.root
    level = 0
    while width := head.size // 256**level:
        span = 256**level
        expected = [tree_hash(leaves[at * span : (at + 1) * span]) for at in range(width)]
        assert b"".join(await row_of_tiles(fetch, str(level), width)) == b"".join(expected)
        level += 1
    return entries
