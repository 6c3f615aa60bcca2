"""The four hashes of a ledger: commitment, leaf, node, and the root of an empty tree."""

from hashlib import sha256

HASH_BYTES = 32
SALT_BYTES = 16
ENTRY_DOMAIN = b"trenova/entry/v1\x00"  # no other hash of ours begins with it
LEAF_PREFIX = b"\x00"
NODE_PREFIX = b"\x01"
EMPTY_ROOT = sha256(b"").digest()


def commitment(salt: bytes, body: bytes) -> bytes:
    """The 32 bytes that stand for an entry in the ledger: SHA-256("trenova/entry/v1" ‖ 0x00 ‖ salt ‖ body).

    The salt has exactly 16 bytes, so that no byte can move between salt and body. Without the salt, nobody can test a
    guess of the body against the commitment.
    """
    if len(salt) != SALT_BYTES:
        raise ValueError(f"salt has {len(salt)} bytes, must have {SALT_BYTES}")
    return sha256(ENTRY_DOMAIN + salt + body).digest()


def leaf(data: bytes) -> bytes:
    """The hash of a leaf, SHA-256(0x00 ‖ data); `data` is a commitment in our ledgers (RFC 6962 §2.1)."""
    return sha256(LEAF_PREFIX + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash of two 32-byte subtree hashes, SHA-256(0x01 ‖ left ‖ right) (RFC 6962 §2.1)."""
    return sha256(NODE_PREFIX + left + right).digest()


def split_hashes(joined: bytes) -> list[bytes]:
    """The 32-byte hashes of a tile or a frontier, which are kept joined."""
    return [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]
