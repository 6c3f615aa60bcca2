"""One key: its id, its 32 bytes, and how they are derived from the text that the operator sets."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from typing import Literal

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from trenova.keys import placeholders
from trenova.keys.master_key import KeyService
from trenova.keys.text import parse_assignment, read_32_bytes

KEY_BYTES = 32  # AES-256
MIN_TEXT_CHARACTERS = 32

KeyFormat = Literal["auto", "raw32"]
"""How the text of a key becomes 32 bytes, see `read_secret`."""

VARIABLE = "TEMPORAL_ENCRYPTION_KEY"
DEFAULT_ID = "default"

# The prefix of a key wrapped by a key service, before the base64 of the wrapped bytes.
WRAPPED = "wrapped:"

# Any printable ASCII except the slash, which would lead out of the key folder. (Temporal's Java sample has ids that end
# in "!".)
KEY_ID_PATTERN = re.compile(r"[!-.0-~]{1,64}")

# Never change it: that would change every key that is derived from text.
HKDF_INFO = b"trenova/codec-key/v1"

FINGERPRINT_SALT = b"trenova/codec-key-fingerprint/v1"
FINGERPRINT_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Key:
    """A usable key. Its repr shows no secret."""

    id: str
    secret: bytes = field(repr=False)
    form: str
    """How its text was read: base64, hex, text, raw32 or wrapped."""
    source: str
    """The environment variable or the file that it came from."""

    def fingerprint(self) -> str:
        """16 hex digits, equal for equal keys, that may be printed and logged.

        Computed with scrypt (about 50 ms): a fast hash would help to guess a key that was derived from weak text.
        """
        digest = hashlib.scrypt(self.secret, salt=FINGERPRINT_SALT, n=2**14, r=8, p=1, dklen=FINGERPRINT_BYTES)
        return digest.hex()


class UnusableKeyError(Exception):
    """Why a text is not a key, phrased to follow the name of its source. Never contains the text."""


def read_secret(text: str, *, key_format: KeyFormat = "auto", service: KeyService | None = None) -> tuple[bytes, str]:
    """The 32 bytes of the key in `text`, and its form. Raises UnusableKeyError.

    `auto`: 64 hex digits or 43 base64 characters (with or without one `=`) are the 32 bytes themselves; `wrapped:…` is
    unwrapped by `service`; other text of at least 32 characters goes through HKDF-SHA-256 (RFC 5869, no salt). `raw32`:
    the first 32 bytes of the text in UTF-8, as in the older Go system, but never padded with zeros.
    """
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        raise UnusableKeyError("is not UTF-8 text") from None
    if not raw:
        raise UnusableKeyError("is empty; expected a key, or remove it")
    if placeholders.is_placeholder(text):
        raise UnusableKeyError(placeholders.complaint("trenova keys generate"))
    if key_format == "raw32":
        if len(raw) < KEY_BYTES:
            raise UnusableKeyError(f"has {len(raw)} bytes; the format raw32 needs at least {KEY_BYTES}")
        return raw[:KEY_BYTES], "raw32"
    if text != text.strip():
        raise UnusableKeyError("begins or ends with white space")
    if text.startswith(WRAPPED):
        return unwrap(text, service), "wrapped"
    if (plain := read_32_bytes(text)) is not None:
        return plain
    if len(text) < MIN_TEXT_CHARACTERS:
        raise UnusableKeyError(
            f"has {len(text)} characters; expected {KEY_BYTES} bytes in base64 (44 characters) or hex (64), "
            f"or any other text of at least {MIN_TEXT_CHARACTERS} characters"
        )
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=HKDF_INFO).derive(raw), "text"


def is_key_id(key_id: str) -> bool:
    """Whether `key_id` is a valid id: 1–64 printable ASCII characters, no space and no slash."""
    return KEY_ID_PATTERN.fullmatch(key_id) is not None


def variable_of(key_id: str) -> str:
    """The environment variable that holds the key `key_id`. The id `default` also has `…_default`."""
    return VARIABLE if key_id == DEFAULT_ID else f"{VARIABLE}_{key_id}"


def without_assignment(text: str, key_id: str) -> str:
    """The key in the shell line that `trenova keys generate` prints for this id; any other text unchanged.

    Raises UnusableKeyError for the line of another id.
    """
    assignment = parse_assignment(text, VARIABLE)
    if assignment is None:
        return text
    if assignment[0] not in {variable_of(key_id), f"{VARIABLE}_{key_id}"}:
        raise UnusableKeyError(f"is a line that sets {assignment[0]}; expected the key {key_id}")
    return assignment[1]


def unwrap(text: str, service: KeyService | None) -> bytes:
    """The 32 bytes in a text of the form `wrapped:<base64>`. Raises UnusableKeyError."""
    if service is None:
        raise UnusableKeyError("is a wrapped key; configure the key service (the master key file) that unwraps it")
    try:
        wrapped = base64.b64decode(text.removeprefix(WRAPPED), validate=True)
    except (binascii.Error, ValueError):
        raise UnusableKeyError("is a wrapped key, but no base64 follows the colon") from None
    secret = service.unwrap(wrapped)
    if secret is None:
        raise UnusableKeyError(f"is a wrapped key that {service.name} cannot unwrap; another master key wrapped it")
    if len(secret) != KEY_BYTES:
        raise UnusableKeyError(f"is a wrapped key of {len(secret)} bytes; expected {KEY_BYTES}")
    return secret
