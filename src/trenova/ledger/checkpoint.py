"""Checkpoints: origin, size and root hash of a ledger (c2sp.org/tlog-checkpoint). Text only; `verify` checks them."""

import re
from base64 import b64encode
from dataclasses import dataclass

from trenova.errors import VerificationError
from trenova.ledger.hashing import HASH_BYTES
from trenova.ledger.note import check_name, decode_base64

MAX_SIZE = (1 << 63) - 1
_SIZE = re.compile("0|[1-9][0-9]{0,18}")
_LINES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The tree of the ledger `origin` had `size` leaves and the 32-byte root hash `root`."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The note text that is signed."""
        lines = (self.origin, str(self.size), b64encode(self.root).decode(), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


def origin(prefix: str, tenant: str) -> str:
    """The origin line of a tenant's ledger, which is also the name of its key.

    `prefix` is where ledgers are served, without scheme and final slash, e.g. `audit.example.com/v1/log`. The tenant is
    always the last element, so that two tenants never share an origin.
    """
    name = f"{prefix}/{tenant}"
    check_name(name, where="origin")
    if not prefix or not tenant or "/" in tenant:
        raise VerificationError(f"origin: expected a prefix and a tenant without slash, got {name!r:.80}")
    return name


def parse(text: str) -> Checkpoint:
    """The checkpoint in the text of a note; VerificationError unless the text is exactly one checkpoint."""
    lines = text.split("\n")
    if lines.pop() != "" or len(lines) < _LINES or not all(lines):
        raise VerificationError(f"checkpoint: expected at least {_LINES} lines, none of them empty, got {len(lines)}")
    size, encoded = lines[1], lines[2]
    if _SIZE.fullmatch(size) is None or int(size) > MAX_SIZE:
        raise VerificationError(f"checkpoint: expected a tree size up to {MAX_SIZE}, got {size!r:.80}")
    root = decode_base64(encoded, where="checkpoint: root hash")
    if len(root) != HASH_BYTES:
        raise VerificationError(f"checkpoint: expected a root hash of {HASH_BYTES} bytes, got {len(root)}")
    return Checkpoint(origin=lines[0], size=int(size), root=root, extensions=tuple(lines[3:]))
