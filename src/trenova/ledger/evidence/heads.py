"""The checkpoints of an evidence file: its own, the earlier ones in it, and those that the verifier saved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trenova.errors import VerificationError
from trenova.ledger import checkpoint, hashing, note, verify
from trenova.ledger.checkpoint import Checkpoint
from trenova.ledger.evidence.lines import Header
from trenova.ledger.evidence.verdict import Damage, Kind
from trenova.ledger.note import VerifierKey
from trenova.ledger.tiles import WIDTH
from trenova.ledger.tree import Frontier, extend, fold
from trenova.ledger.verify import CheckSignature


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """The checkpoints as read. `checkpoint` is None if it cannot be read; its signature may be invalid.

    `earlier` and `known` hold only those of the same ledger with a valid signature.
    """

    checkpoint: Checkpoint | None
    earlier: tuple[Checkpoint, ...]
    known: tuple[Checkpoint, ...]
    damages: tuple[Damage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What the verifier trusts: the ledger's keys, saved checkpoints, and how many of which witnesses.

    `keys` is None if the verifier has none: then the keys in the file are used.
    """

    keys: Sequence[VerifierKey] | None
    known: Sequence[bytes]
    witnesses: Sequence[VerifierKey]
    cosignatures: int


def read_heads(header: Header, trust: Trust, check_signature: CheckSignature) -> Heads:
    """Read and check all checkpoints, their signatures, and the header's claims about them."""
    reader = _HeadReader(header.origin, trust.keys, check_signature)
    reader.read_keys(header)
    if trust.cosignatures:
        reader.check_cosignatures(header.checkpoint.encode(), trust)
    own = reader.read_signed(header.checkpoint.encode(), "checkpoint")
    if own is not None:
        reader.check_keys(header)
        end = header.first + header.count
        if end > own.size:
            reader.add(Kind.CHECKPOINT, f"covers {own.size} entries, the file goes up to {end}")
        if header.tenant != header.origin.rpartition("/")[2]:
            reader.add(Kind.HEADER, f"tenant {header.tenant!r:.200} is not that of the ledger {header.origin!r:.200}")
    earlier: list[Checkpoint] = []
    for one in header.earlier:
        head = reader.read_signed(one.checkpoint.encode(), "earlier checkpoint")
        if head is None or own is None:
            continue
        earlier.append(head)
        try:
            verify.consistency(
                size=head.size, root=head.root, new_size=own.size, new_root=own.root, path=one.consistency
            )
        except VerificationError as error:
            reader.add(Kind.INCONSISTENT, f"earlier checkpoint: {error.message}")
    known = [reader.read_signed(message, "your checkpoint") for message in trust.known]
    return Heads(
        checkpoint=own,
        earlier=tuple(earlier),
        known=tuple(head for head in known if head is not None),
        damages=tuple(reader.damages),
    )


def compare(heads: Heads, tiles: Mapping[int, bytes], cut_roots: Mapping[int, bytes]) -> list[Damage]:
    """The damages if the ledger of the file does not continue every checkpoint that the verifier saved.

    `tiles` has the roots of the file's tiles, `cut_roots` the roots of partial tiles by the ledger's size at that time.
    """
    own, damages = heads.checkpoint, list[Damage]()
    for known in heads.known:
        if own is None:
            continue
        if known.size > own.size:
            detail = f"your checkpoint has {known.size} entries, that of the file only {own.size}"
            damages.append(Damage(kind=Kind.OLDER, detail=detail))
            continue
        roots = {head.root for head in (own, *heads.earlier) if head.size == known.size}
        computed = _root_at(known.size, tiles, cut_roots)
        if computed is not None:
            roots.add(computed)
        if not roots:
            detail = f"the file has no consistency proof from size {known.size}; ask for one that starts there"
            damages.append(Damage(kind=Kind.UNPROVED, detail=detail))
        elif roots != {known.root}:
            detail = f"at size {known.size} your checkpoint has the root {known.root.hex()}, the file has another"
            damages.append(Damage(kind=Kind.INCONSISTENT, detail=detail))
    return damages


def _root_at(size: int, tiles: Mapping[int, bytes], cut_roots: Mapping[int, bytes]) -> bytes | None:
    whole, rest = divmod(size, WIDTH)
    if any(tile not in tiles for tile in range(whole)) or (rest and size not in cut_roots):
        return None
    edge = extend(Frontier(), (tiles[tile] for tile in range(whole))).hashes
    parts = (*edge, cut_roots[size]) if rest else edge
    return fold(parts) if parts else hashing.EMPTY_ROOT


class _HeadReader:
    """Reads checkpoints and collects what is wrong with them."""

    def __init__(self, origin: str, keys: Sequence[VerifierKey] | None, check_signature: CheckSignature) -> None:
        self.origin = origin
        self.keys = keys
        self.check_signature = check_signature
        self.own: list[VerifierKey] = []
        self.damages: list[Damage] = []

    def read_keys(self, header: Header) -> None:
        """Read the keys in the file, and use them if the verifier gave none."""
        for text in header.keys:
            try:
                key = note.parse_key(text)
                if key.name != self.origin or key.algorithm != note.ED25519:
                    raise VerificationError(f"expected a key of the ledger {self.origin:.200}, got {text:.200}")  # noqa: TRY301 - one way to fail
                self.own.append(key)
            except VerificationError as error:
                self.add(Kind.HEADER, error.message)
        if self.keys is None:
            self.keys = self.own

    def check_keys(self, header: Header) -> None:
        """Check that the keys in the file are those that signed its checkpoint, in the order of their lines, each once.

        So they cannot be changed unnoticed even if the verifier uses its own keys.
        """
        parsed = note.parse(header.checkpoint.encode())
        try:
            signed = verify.log_signatures(parsed, origin=self.origin, keys=self.own, check=self.check_signature)
        except VerificationError as error:
            self.add(Kind.HEADER, f"its keys: {error.message}")
            return
        if list(signed) != self.own:
            names = ", ".join(key.id.hex() for key in signed)
            self.add(Kind.HEADER, f"expected the keys that signed the checkpoint, in the order {names:.200}")

    def read_signed(self, message: bytes, what: str) -> Checkpoint | None:
        """The checkpoint, or None if it cannot be read or, unless it is the file's own, has no valid signature."""
        try:
            parsed = note.parse(message)
            head = checkpoint.parse(parsed.text)
            if head.origin != self.origin:
                raise VerificationError(f"expected the ledger {self.origin!r:.200}, got {head.origin!r:.200}")  # noqa: TRY301 - one way to fail
        except VerificationError as error:
            self.add(Kind.CHECKPOINT, f"{what}: {error.message}")
            return None
        try:
            verify.log_signatures(parsed, origin=self.origin, keys=self.keys or (), check=self.check_signature)
        except VerificationError as error:
            self.add(Kind.SIGNATURE, f"{what}: {error.message}")
            return head if what == "checkpoint" else None
        return head

    def check_cosignatures(self, message: bytes, trust: Trust) -> None:
        """Check that enough witnesses have cosigned. An invalid cosignature of a known key makes all of them void."""
        try:
            witnesses = verify.cosignatures(note.parse(message), keys=trust.witnesses, check=self.check_signature)
        except VerificationError as error:
            self.add(Kind.COSIGNATURES, f"expected cosignatures of {trust.cosignatures} witnesses: {error.message}")
            return
        if len(witnesses) < trust.cosignatures:
            detail = f"expected cosignatures of {trust.cosignatures} witnesses, got {len(witnesses)}"
            self.add(Kind.COSIGNATURES, detail)

    def add(self, kind: Kind, detail: str) -> None:
        """Record a damage in the first line."""
        self.damages.append(Damage(kind=kind, detail=detail))
