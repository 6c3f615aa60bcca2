"""Signed notes: text with signature lines under it, and the keys that verify them (c2sp.org/signed-note).

Everything read here comes from outside, so every defect is a VerificationError. Only one spelling of each value is
valid: base64 that decodes to the same bytes as another spelling is an error, so no byte of a note can change unnoticed.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from hashlib import sha256

from trenova.errors import VerificationError

ED25519 = 0x01  # signature over the text alone
COSIGNATURE = 0x04  # of a witness, with the time of signing (c2sp.org/tlog-cosignature, v1)
KEY_BYTES = 32
KEY_ID_BYTES = 4
TIMESTAMP_BYTES = 8
MAX_TIMESTAMP = (1 << 63) - 1
MAX_NOTE_BYTES = 1 << 20  # far above 16 signatures of 5 kB, which the specification requires to accept
MAX_SIGNATURES = 100  # as in the Go implementation
SIGNATURE_MARK = "— "
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    """A public key under a name. `algorithm` is ED25519 or COSIGNATURE, `public_key` has 32 bytes (RFC 8032)."""

    name: str
    public_key: bytes
    algorithm: int = ED25519

    @property
    def id(self) -> bytes:
        """The 4 bytes before each of its signatures: they identify the key and prove nothing."""
        typed = bytes([self.algorithm]) + self.public_key
        return sha256(self.name.encode() + b"\n" + typed).digest()[:KEY_ID_BYTES]

    @property
    def text(self) -> str:
        """The key as one line of text: `<name>+<id in hex>+<base64 of algorithm and public key>`."""
        return f"{self.name}+{self.id.hex()}+{b64encode(bytes([self.algorithm]) + self.public_key).decode()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signature line, not verified: the name of the claimed signer, the 4-byte key id, and the signature bytes."""

    name: str
    key_id: bytes
    data: bytes

    @property
    def line(self) -> str:
        """The line in the note, with its newline."""
        return f"{SIGNATURE_MARK}{self.name} {b64encode(self.key_id + self.data).decode()}\n"

    @property
    def timestamp(self) -> int:
        """When a cosignature was made, in seconds since 1970 (UTC)."""
        return int.from_bytes(self.data[:TIMESTAMP_BYTES], "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A parsed note, not verified. `text` ends in a newline; all signatures cover it."""

    text: str
    signatures: tuple[Signature, ...]

    def encode(self) -> bytes:
        """The bytes of the note, the same that `parse` read."""
        return (self.text + "\n" + "".join(signature.line for signature in self.signatures)).encode()


def parse_key(text: str) -> VerifierKey:
    """The key in a text that `VerifierKey.text` wrote."""
    name, _, rest = text.partition("+")
    typed = decode_base64(rest.partition("+")[2], where="verifier key")
    if len(typed) != 1 + KEY_BYTES or typed[0] not in {ED25519, COSIGNATURE}:
        raise VerificationError(
            f"verifier key: expected type 1 or 4 and {KEY_BYTES} bytes, got {typed[:1].hex() or 'nothing'} "
            f"and {max(0, len(typed) - 1)} bytes"
        )
    key = VerifierKey(name=name, algorithm=typed[0], public_key=typed[1:])
    check_name(name, where="verifier key")
    if key.text != text:
        raise VerificationError(
            f"verifier key of {name:.80}: expected id {key.id.hex()}, got {rest.partition('+')[0]:.80}"
        )
    return key


def parse(message: bytes) -> Note:
    """The text of a note and its signature lines, at least one."""
    if len(message) > MAX_NOTE_BYTES:
        raise VerificationError(f"note: expected at most {MAX_NOTE_BYTES} bytes, got {len(message)}")
    try:
        content = message.decode()
    except UnicodeDecodeError as error:
        raise VerificationError(f"note: expected UTF-8, got an invalid byte at {error.start}") from None
    if control := _CONTROL.search(content):
        raise VerificationError(f"note: expected no control characters, got {control[0]!r} at {control.start()}")
    text, blank, lines = content.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise VerificationError("note: expected text, an empty line, and signature lines that each end in a newline")
    signatures = tuple(_signature(line) for line in lines[:-1].split("\n"))
    if len(signatures) > MAX_SIGNATURES:
        raise VerificationError(f"note: expected at most {MAX_SIGNATURES} signatures, got {len(signatures)}")
    return Note(text=text + "\n", signatures=signatures)


def signed_message(key: VerifierKey, text: str, signature: Signature) -> tuple[bytes, bytes] | None:
    """The bytes that the key signed and the bare 64-byte signature; None if this key cannot have made the signature."""
    if key.algorithm == ED25519:
        return text.encode(), signature.data
    if len(signature.data) <= TIMESTAMP_BYTES or signature.timestamp > MAX_TIMESTAMP:
        return None
    return cosigned_message(text, signature.timestamp), signature.data[TIMESTAMP_BYTES:]


def cosigned_message(text: str, timestamp: int) -> bytes:
    """The bytes that a witness signs: two lines with format and time in seconds, then the text of the checkpoint."""
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def check_name(name: str, *, where: str) -> None:
    """Raise VerificationError unless `name` can name a key: not empty, no Unicode space, no plus sign."""
    if not name or "+" in name or any(char.isspace() or char < " " for char in name):
        raise VerificationError(f"{where}: expected a name without spaces and plus signs, got {name!r:.80}")


def decode_base64(text: str, *, where: str) -> bytes:
    """The bytes in standard base64 with padding (RFC 4648 §4). Only the canonical spelling is valid."""
    try:
        data = b64decode(text, validate=True)
    except (Base64Error, ValueError):
        data = None
    if data is None or b64encode(data).decode() != text:
        raise VerificationError(f"{where}: expected base64, got {text!r:.80}")
    return data


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(SIGNATURE_MARK).partition(" ")
    if not line.startswith(SIGNATURE_MARK):
        raise VerificationError(
            f"note: expected a signature line that starts with {SIGNATURE_MARK!r}, got {line!r:.80}"
        )
    check_name(name, where="note: signature line")
    data = decode_base64(encoded, where=f"note: signature of {name:.80}")
    if len(data) <= KEY_ID_BYTES:
        raise VerificationError(f"note: expected a key id and a signature of {name:.80}, got {len(data)} bytes")
    return Signature(name=name, key_id=data[:KEY_ID_BYTES], data=data[KEY_ID_BYTES:])
