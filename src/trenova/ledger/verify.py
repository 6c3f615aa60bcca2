"""Checking what a ledger hands out. Standard library only; the check of one Ed25519 signature is passed in.

Each function returns what it has proved, or raises VerificationError with the place, the expected and the actual value.
A verifier has to trust this module, `hashing`, `note` and `checkpoint`; docs/proofs.md says what a check proves.
"""

from collections.abc import Callable, Sequence

from trenova.errors import VerificationError
from trenova.ledger import checkpoint, hashing
from trenova.ledger import note as notes
from trenova.ledger.checkpoint import Checkpoint
from trenova.ledger.note import Note, VerifierKey

CheckSignature = Callable[[bytes, bytes, bytes], bool]
"""(32-byte public key, message, 64-byte signature) → whether the signature is valid. It must not raise."""


def entry(*, salt: bytes, body: bytes, commitment: bytes, where: str = "entry") -> None:
    """Check that the 32-byte commitment in the ledger was made of this salt and body."""
    if len(salt) != hashing.SALT_BYTES:
        raise VerificationError(f"{where}: expected a salt of {hashing.SALT_BYTES} bytes, got {len(salt)}")
    _check_equal(hashing.commitment(salt, body), commitment, f"{where}: commitment of salt and body")


def inclusion(*, leaf_hash: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf is at `index` (0-based) in the tree of `size` leaves with this root (RFC 9162 §2.1.3.2).

    `path` goes leaf→root. `leaf_hash` can be the root of a subtree if `index` and `size` count subtrees of that width.
    """
    where = f"inclusion of leaf {index} in a tree of size {size}"
    if not 0 <= index < size:
        raise VerificationError(f"{where}: expected an index from 0 to the size minus 1")
    # Below the point where the paths of this leaf and of the last one meet, each level has a hash; above it, only the
    # levels where this leaf's path is a right child.
    meeting = (index ^ (size - 1)).bit_length()
    _check_path(path, meeting + (index >> meeting).bit_count(), where)
    _check_hash(leaf_hash, where)
    here, last, result = index, size - 1, leaf_hash
    for sibling in path:
        while here == last and not here & 1:
            here, last = here >> 1, last >> 1
        result = hashing.node(sibling, result) if here & 1 else hashing.node(result, sibling)
        here, last = here >> 1, last >> 1
    _check_equal(result, root, f"{where}: root hash")


def consistency(*, size: int, root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]) -> None:
    """Check that the tree of `size` leaves is a prefix of the one of `new_size` leaves (RFC 9162 §2.1.4.2).

    An empty tree is a prefix of any tree; then, and when the sizes are equal, the path is empty.
    """
    where = f"consistency of size {size} with size {new_size}"
    if not 0 <= size <= new_size:
        raise VerificationError(f"{where}: expected a size that is not larger than the new one")
    _check_hash(root, where)
    _check_hash(new_root, where)
    if size in {0, new_size}:
        _check_path(path, 0, where)
        _check_equal(root, hashing.EMPTY_ROOT if size == 0 else new_root, f"{where}: root hash")
        return
    # Start at the largest complete subtree that ends where the old tree ends. Unless it is the whole old tree, the path
    # begins with its hash. After that, hashes on the left belong to both trees, those on the right only to the new one.
    level = (size & -size).bit_length() - 1
    here, last = (size - 1) >> level, (new_size - 1) >> level
    meeting = (here ^ last).bit_length()
    seed = () if size & (size - 1) == 0 else (0,)
    _check_path(path, len(seed) + meeting + (here >> meeting).bit_count(), where)
    old = new = path[0] if seed else root
    for sibling in path[len(seed) :]:
        while here == last and not here & 1:
            here, last = here >> 1, last >> 1
        if here & 1:
            old, new = hashing.node(sibling, old), hashing.node(sibling, new)
        else:
            new = hashing.node(new, sibling)
        here, last = here >> 1, last >> 1
    _check_equal(old, root, f"{where}: old root hash")
    _check_equal(new, new_root, f"{where}: new root hash")


def signatures(note: Note, *, keys: Sequence[VerifierKey], check: CheckSignature) -> tuple[VerifierKey, ...]:
    """The keys, at least one, that have signed the note. A bad signature of a known key makes the whole note invalid.

    So does a second line of a known key: a key signs once. Lines of unknown keys are ignored, as the specification
    demands (c2sp.org/signed-note). This does not check what the note is about: use `signed_checkpoint`,
    `log_signatures` or `cosignatures` for that.
    """
    signed: dict[VerifierKey, None] = {}
    for signature in note.signatures:
        for key in dict.fromkeys(keys):
            if (key.name, key.id) != (signature.name, signature.key_id):
                continue
            if key in signed:
                raise VerificationError(f"note: expected one signature of {key.name} ({key.id.hex()}), got two")
            claim = notes.signed_message(key, note.text, signature)
            if claim is None or not check(key.public_key, *claim):
                raise VerificationError(
                    f"note: expected a signature of {key.name} ({key.id.hex()}), got an invalid one"
                )
            signed[key] = None
    if not signed:
        known = ", ".join(f"{key.name} ({key.id.hex()})" for key in keys) or "no known key"
        signers = ", ".join(f"{line.name} ({line.key_id.hex()})" for line in note.signatures)
        raise VerificationError(f"note: expected a signature of {known}, got those of {signers:.400}")
    return tuple(signed)


def log_signatures(
    note: Note, *, origin: str, keys: Sequence[VerifierKey], check: CheckSignature
) -> tuple[VerifierKey, ...]:
    """Those of `keys`, at least one, with which the ledger `origin` has signed the note.

    A key is valid only for the ledger it is named after. One secret signs for many ledgers, so a signature of another
    ledger can be relabelled with any name; only the key's name says which ledger's signature is expected. A witness's
    key (type 4) never counts: it says that the witness saw no other history, not that the ledger signed.
    """
    own = [key for key in keys if key.name == origin and key.algorithm == notes.ED25519]
    if keys and not own:
        names = ", ".join(dict.fromkeys(key.name for key in keys))
        raise VerificationError(f"note: expected a key of the ledger {origin:.200}, got those of {names:.400}")
    return signatures(note, keys=own, check=check)


def cosignatures(note: Note, *, keys: Sequence[VerifierKey], check: CheckSignature) -> tuple[VerifierKey, ...]:
    """Those of the witnesses' `keys`, at least one and each public key once, that have cosigned the note.

    Keys of ledgers (type 1) are skipped: a ledger's own signature must not count as a witness's.
    """
    witnesses = [key for key in keys if key.algorithm == notes.COSIGNATURE]
    signed = signatures(note, keys=witnesses, check=check)
    return tuple({key.public_key: key for key in reversed(signed)}.values())[::-1]


def signed_checkpoint(message: bytes, *, origin: str, keys: Sequence[VerifierKey], check: CheckSignature) -> Checkpoint:
    """The checkpoint of the ledger `origin` in a note that one of its `keys` has signed; see `log_signatures`."""
    note = notes.parse(message)
    head = checkpoint.parse(note.text)
    if head.origin != origin:
        raise VerificationError(f"checkpoint: expected the ledger {origin:.200}, got {head.origin:.200}")
    log_signatures(note, origin=origin, keys=keys, check=check)
    return head


def _check_path(path: Sequence[bytes], length: int, where: str) -> None:
    if len(path) != length:
        raise VerificationError(f"{where}: expected a path of {length} hashes, got {len(path)}")
    for sibling in path:
        _check_hash(sibling, where)


def _check_hash(value: bytes, where: str) -> None:
    if len(value) != hashing.HASH_BYTES:
        raise VerificationError(f"{where}: expected hashes of {hashing.HASH_BYTES} bytes, got one of {len(value)}")


def _check_equal(computed: bytes, claimed: bytes, where: str) -> None:
    if computed != claimed:
        raise VerificationError(f"{where}: expected {claimed.hex()}, got {computed.hex()}")
