"""What a log sends to a witness: a checkpoint and the proof that it continues the last one (c2sp.org/tlog-witness)."""

import re
from base64 import b64encode
from dataclasses import dataclass

from trenova.errors import VerificationError
from trenova.ledger.checkpoint import MAX_SIZE
from trenova.ledger.note import decode_base64

PATH = "/add-checkpoint"
SIZE_TYPE = "text/x.tlog.size"
"""Content type of the answer that says which size the witness has cosigned last."""

MAX_PROOF_LINES = 63
_OLD = re.compile("old (0|[1-9][0-9]{0,18})")
_SIZE = re.compile("(0|[1-9][0-9]{0,18})\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCheckpointRequest:
    """`path` (32-byte hashes) proves that the tree of `old` leaves is a beginning of the one that `note` has signed."""

    old: int
    path: tuple[bytes, ...]
    note: bytes

    def encode(self) -> bytes:
        """The request's body."""
        lines = (f"old {self.old}", *(b64encode(each).decode() for each in self.path), "", "")
        return "\n".join(lines).encode() + self.note


def parse(body: bytes) -> AddCheckpointRequest:
    """The submission that a request's body holds; its proof and note are not verified, nor read further."""
    head, blank, note = body.partition(b"\n\n")
    try:
        old, *encoded = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise VerificationError("submission: expected an old size and base64 before the first empty line") from None
    match = _OLD.fullmatch(old)
    if match is None or int(match[1]) > MAX_SIZE or not blank:
        raise VerificationError(f"submission: expected a line `old <size>` and an empty line, got {old!r:.80}")
    if len(encoded) > MAX_PROOF_LINES:
        raise VerificationError(f"submission: expected at most {MAX_PROOF_LINES} proof lines, got {len(encoded)}")
    path = tuple(decode_base64(line, where="submission: proof line") for line in encoded)
    return AddCheckpointRequest(old=int(match[1]), path=path, note=note)


def parse_size(body: bytes) -> int:
    """The size in an answer of the type SIZE_TYPE."""
    match = _SIZE.fullmatch(body.decode("ascii", "replace"))
    if match is None or int(match[1]) > MAX_SIZE:
        raise VerificationError(f"witness: expected its size on a line, got {body[:40]!r}")
    return int(match[1])
