"""The add-checkpoint request to a witness: a checkpoint, and proof that it extends the last (c2sp.org/tlog-witness)."""

import re
from base64 import b64encode
from dataclasses import dataclass

from trenova.errors import VerificationError
from trenova.ledger.checkpoint import MAX_SIZE
from trenova.ledger.note import decode_base64

PATH = "/add-checkpoint"
SIZE_TYPE = "text/x.tlog.size"
"""Content type of the answer that names the size that the witness cosigned last."""

MAX_PROOF_LINES = 63
_OLD = re.compile("old (0|[1-9][0-9]{0,18})")
_SIZE = re.compile("(0|[1-9][0-9]{0,18})\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCheckpointRequest:
    """`path` (32-byte hashes) proves that the tree of `old` leaves is a prefix of the tree that `note` signs."""

    old: int
    path: tuple[bytes, ...]
    note: bytes

    def encode(self) -> bytes:
        """The body of the request."""
        lines = (f"old {self.old}", *(b64encode(each).decode() for each in self.path), "", "")
        return "\n".join(lines).encode() + self.note


def parse(body: bytes) -> AddCheckpointRequest:
    """The request in a body. Neither its proof nor its note is verified."""
    head, blank, note = body.partition(b"\n\n")
    try:
        old, *encoded = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise VerificationError("request: expected an old size and base64 before the first empty line") from None
    match = _OLD.fullmatch(old)
    if match is None or int(match[1]) > MAX_SIZE or not blank:
        raise VerificationError(f"request: expected a line `old <size>` and an empty line, got {old!r:.80}")
    if len(encoded) > MAX_PROOF_LINES:
        raise VerificationError(f"request: expected at most {MAX_PROOF_LINES} proof lines, got {len(encoded)}")
    path = tuple(decode_base64(line, where="request: proof line") for line in encoded)
    return AddCheckpointRequest(old=int(match[1]), path=path, note=note)


def parse_size(body: bytes) -> int:
    """The size in an answer of content type SIZE_TYPE."""
    match = _SIZE.fullmatch(body.decode("ascii", "replace"))
    if match is None or int(match[1]) > MAX_SIZE:
        raise VerificationError(f"witness: expected a size on one line, got {body[:40]!r}")
    return int(match[1])
