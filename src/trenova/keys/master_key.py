"""Key services: a master key wraps the keys that encrypt payloads, so that only wrapped keys are stored.

A mounted secret or an environment variable then holds `wrapped:<base64>` instead of the key. Payloads do not change:
they are encrypted with the unwrapped key and name only its id.
"""

from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from trenova.errors import InvalidConfiguration
from trenova.keys import placeholders
from trenova.keys.text import parse_assignment, read_32_bytes


class KeyService(Protocol):
    """Wraps and unwraps 32-byte keys with a master key that never leaves the service. Called only at start, per key.

    A driver for a cloud service raises `Unavailable` if the service is unreachable.
    """

    @property
    def name(self) -> str:
        """The name in errors, for example the path of the master key's file."""

    def wrap(self, secret: bytes) -> bytes:
        """`secret` wrapped, so that only this service can unwrap it and any change to it is detected."""

    def unwrap(self, wrapped: bytes) -> bytes | None:
        """The secret given to `wrap`, or None if this service did not wrap it or it was changed."""


class MasterKeyFile:
    """A key service with its master key in a file and AES key wrap (RFC 3394)."""

    def __init__(self, path: Path) -> None:
        """Reads the file once. Raises InvalidConfiguration unless it holds 32 bytes in base64 or hex, and nothing else.

        A passphrase is not accepted as a master key: all other keys depend on it.
        """
        self.name = str(path)
        self.master = read_master_key(path)

    def __repr__(self) -> str:
        return f"MasterKeyFile({self.name!r})"

    def wrap(self, secret: bytes) -> bytes:
        return aes_key_wrap(self.master, secret)

    def unwrap(self, wrapped: bytes) -> bytes | None:
        try:
            return aes_key_unwrap(self.master, wrapped)
        except InvalidUnwrap:
            return None


def read_master_key(path: Path) -> bytes:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as err:
        raise InvalidConfiguration([f"master key file {path}: {err.strerror}"]) from err
    except UnicodeDecodeError:
        text = ""
    line = parse_assignment(text, "TEMPORAL_ENCRYPTION_KEY")
    if (plain := read_32_bytes(text if line is None else line[1])) is not None:
        return plain[0]
    if placeholders.is_placeholder(text):
        raise InvalidConfiguration(
            [f"master key file {path}: the key {placeholders.complaint(f'openssl rand -base64 32 > {path}')}"]
        )
    raise InvalidConfiguration(
        [f"master key file {path}: expected 32 bytes in base64 or hex, and nothing else"],
        hint=f"make one with: openssl rand -base64 32 > {path}",
    )
