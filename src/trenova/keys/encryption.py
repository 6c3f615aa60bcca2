"""Generating and describing encryption keys, for `trenova keys generate` and `trenova keys check`."""

import base64
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from trenova.errors import InvalidRequest
from trenova.keys.key import DEFAULT_ID, KEY_BYTES, WRAPPED, is_key_id, variable_of
from trenova.keys.keyring import Keyring
from trenova.keys.master_key import KeyService

# Ids with which a POSIX shell can export a variable: `TEMPORAL_ENCRYPTION_KEY_eu-1` is not a valid name.
SHELL_NAME = re.compile(r"[A-Za-z0-9_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedKey:
    """A new key as text, and the shell line that sets it (None if a shell cannot name the variable)."""

    id: str
    text: str = field(repr=False)
    export_line: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReport:
    """One configured key, without its secret."""

    id: str
    encrypts: bool
    form: str
    source: str
    fingerprint: str


def generate_key(
    key_id: str = DEFAULT_ID,
    *,
    service: KeyService | None = None,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> GeneratedKey:
    """A new 32-byte key in base64, wrapped by `service` if one is given. Raises InvalidRequest for an impossible id."""
    if not is_key_id(key_id):
        raise InvalidRequest(
            f"{key_id!r} cannot be a key ID; expected 1 to 64 printable ASCII characters without space or /"
        )
    secret = random_bytes(KEY_BYTES)
    text = base64.b64encode(secret).decode()
    if service is not None:
        text = WRAPPED + base64.b64encode(service.wrap(secret)).decode()
    line = f"export {variable_of(key_id)}='{text}'" if SHELL_NAME.fullmatch(key_id) else None
    return GeneratedKey(id=key_id, text=text, export_line=line)


def describe_keys(keyring: Keyring) -> tuple[KeyReport, ...]:
    """Every key of the keyring, sorted by id. Takes about 50 ms for each, on purpose (see `Key.fingerprint`)."""
    return tuple(
        KeyReport(
            id=key.id,
            encrypts=key.id == keyring.encrypting_id,
            form=key.form,
            source=key.source,
            fingerprint=key.fingerprint(),
        )
        for _, key in sorted(keyring.keys.items())
    )
