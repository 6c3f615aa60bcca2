"""Ed25519: signing and cosigning checkpoints, and checking a signature. The only module here with `cryptography`."""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from trenova.errors import InvalidConfiguration, VerificationError
from trenova.ledger.checkpoint import Checkpoint
from trenova.ledger.note import (
    COSIGNATURE,
    ED25519,
    KEY_BYTES,
    MAX_TIMESTAMP,
    TIMESTAMP_BYTES,
    Note,
    Signature,
    VerifierKey,
    check_name,
    cosigned_message,
    decode_base64,
)

_PRIVATE = "PRIVATE+KEY+"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A private key under a name. `seed` is the 32-byte Ed25519 secret (RFC 8032 §5.1.5), never shown by repr."""

    name: str
    seed: bytes = field(repr=False)
    algorithm: int = ED25519

    @property
    def key(self) -> VerifierKey:
        """The public key, for whoever verifies."""
        public = _private_key(self.seed).public_key().public_bytes_raw()
        return VerifierKey(name=self.name, public_key=public, algorithm=self.algorithm)

    @property
    def secret_text(self) -> str:
        """The private key as one line: `PRIVATE+KEY+<name>+<id in hex>+<base64 of algorithm and seed>`."""
        typed = b64encode(bytes([self.algorithm]) + self.seed).decode()
        return f"{_PRIVATE}{self.name}+{self.key.id.hex()}+{typed}"

    def with_name(self, name: str) -> "Signer":
        """The same secret under another name: one secret signs under the origins of all tenants.

        That is safe because every signed text contains the origin.
        """
        return replace(self, name=name)


def parse_signer(text: str) -> Signer:
    """The signer in a text that `secret_text` wrote. Raises InvalidConfiguration, which never quotes the text."""
    try:
        name, _, rest = text.removeprefix(_PRIVATE).partition("+")
        check_name(name, where="signing key")
        typed = decode_base64(rest.partition("+")[2], where="signing key")
    except VerificationError:
        typed, name = b"", ""
    if len(typed) == 1 + KEY_BYTES and typed[0] in {ED25519, COSIGNATURE}:
        signer = Signer(name=name, seed=typed[1:], algorithm=typed[0])
        if signer.secret_text == text:
            return signer
    raise InvalidConfiguration(
        ["signing key: expected PRIVATE+KEY+<name>+<id>+<base64>, got another form or a wrong id"],
        hint="make a new key, or copy the whole line again",
    )


def sign(checkpoint: Checkpoint, signers: Iterable[Signer]) -> bytes:
    """The signed note of a checkpoint, with a signature line of each signer; the ledger's own key is among them."""
    return sign_text(checkpoint.text, signers)


def sign_text(text: str, signers: Iterable[Signer]) -> bytes:
    """The signed note of any text that ends in a newline."""
    signatures = tuple(
        Signature(name=signer.name, key_id=signer.key.id, data=_sign(signer, text.encode())) for signer in signers
    )
    return Note(text=text, signatures=signatures).encode()


def cosign(note: Note, witness: Signer, *, timestamp: int) -> bytes:
    """The note with the witness's cosignature added; `timestamp` in seconds since 1970.

    A cosignature states that the caller has verified the note and its consistency with the last checkpoint it cosigned.
    """
    if witness.algorithm != COSIGNATURE or not 0 <= timestamp <= MAX_TIMESTAMP:
        raise ValueError("a cosignature needs a key of type 4 and a time since 1970")
    data = timestamp.to_bytes(TIMESTAMP_BYTES, "big") + _sign(witness, cosigned_message(note.text, timestamp))
    signature = Signature(name=witness.name, key_id=witness.key.id, data=data)
    return replace(note, signatures=(*note.signatures, signature)).encode()


def check(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the key made this 64-byte signature of the message. Never raises: False for a broken key."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _sign(signer: Signer, message: bytes) -> bytes:
    return _private_key(signer.seed).sign(message)


@lru_cache(maxsize=16)  # making it takes longer than signing, and a batch may extend the ledgers of many tenants
def _private_key(seed: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed)
