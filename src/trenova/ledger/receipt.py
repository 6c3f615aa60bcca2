"""Receipts: the proof of one entry as a text file that other tools can check, too (c2sp.org/tlog-proof).

The `extra` line holds the entry's salt; salt and body give the commitment. Once the body is removed the line is absent,
and the receipt still proves that the commitment is in the ledger.
"""

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from trenova.errors import VerificationError
from trenova.ledger import hashing, verify
from trenova.ledger.checkpoint import Checkpoint
from trenova.ledger.note import MAX_NOTE_BYTES, VerifierKey, decode_base64
from trenova.ledger.verify import CheckSignature

FORMAT = "c2sp.org/tlog-proof@v1"
MAX_PATH = 63
_INDEX = re.compile("index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The place of an entry and its proof: 0-based index, path leaf→root, signed checkpoint, and the salt if any."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    salt: bytes | None = None

    def encode(self) -> bytes:
        """The text of the receipt."""
        extra = [f"extra {b64encode(self.salt).decode()}"] if self.salt is not None else []
        hashes = [b64encode(sibling).decode() for sibling in self.path]
        head = "\n".join([FORMAT, *extra, f"index {self.index}", *hashes])
        return f"{head}\n\n".encode() + self.checkpoint


def parse(data: bytes) -> Receipt:
    """The content of a receipt, not verified."""
    if len(data) > MAX_NOTE_BYTES:
        raise VerificationError(f"receipt: expected at most {MAX_NOTE_BYTES} bytes, got {len(data)}")
    head, blank, checkpoint = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        lines = [""]
    if not blank or lines.pop(0) != FORMAT or not lines:
        raise VerificationError(f"receipt: expected {FORMAT}, the proof, an empty line and a checkpoint")
    salt = None
    if lines[0].startswith("extra "):
        salt = decode_base64(lines.pop(0).removeprefix("extra "), where="receipt: salt")
    index = _INDEX.fullmatch(lines[0]) if lines else None
    if index is None or len(lines) > 1 + MAX_PATH:
        raise VerificationError(f"receipt: expected an index line and at most {MAX_PATH} hashes")
    path = tuple(decode_base64(line, where="receipt: path") for line in lines[1:])
    return Receipt(index=int(index[1]), path=path, checkpoint=checkpoint, salt=salt)


def check(
    receipt: Receipt, *, body: bytes, origin: str, keys: Sequence[VerifierKey], check: CheckSignature
) -> Checkpoint:
    """Check that exactly this body is entry number `receipt.index` of the ledger `origin`; return the checkpoint.

    `keys` are the ledger's own, named after it.
    """
    signed = verify.signed_checkpoint(receipt.checkpoint, origin=origin, keys=keys, check=check)
    if receipt.salt is None or len(receipt.salt) != hashing.SALT_BYTES:
        got = "none" if receipt.salt is None else f"{len(receipt.salt)} bytes"
        raise VerificationError(f"receipt: expected a salt of {hashing.SALT_BYTES} bytes, got {got}")
    verify.inclusion(
        leaf_hash=hashing.leaf(hashing.commitment(receipt.salt, body)),
        index=receipt.index,
        size=signed.size,
        path=receipt.path,
        root=signed.root,
    )
    return signed
