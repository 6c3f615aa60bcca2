"""From environment variables and files to a keyring in which every key has been tested.

All problems are reported at once, and nothing starts with any: a key that fails later would leave workflows stuck.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from trenova.config import SecuritySettings
from trenova.errors import InvalidConfiguration
from trenova.keys.key import (
    DEFAULT_ID,
    VARIABLE,
    Key,
    UnusableKeyError,
    is_key_id,
    read_secret,
    variable_of,
    without_assignment,
)
from trenova.keys.keyring import Keyring
from trenova.keys.master_key import KeyService, MasterKeyFile

# A key is shorter than a hundred characters; with a larger file, this is probably the wrong folder.
MAX_KEY_FILE_BYTES = 4096
NONCE_BYTES, TRIAL_BYTES = 12, 64


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundKey:
    id: str
    source: str
    text: str | None = None
    problem: str | None = None

    def __repr__(self) -> str:
        return f"FoundKey({self.id!r}, {self.source!r})"


def load_keyring(security: SecuritySettings, environ: Mapping[str, str]) -> Keyring:
    """The keyring of `TEMPORAL_ENCRYPTION_KEY[_<id>]` in `environ` and of the key folder, which has a file for each id.

    Keys are read and tested even while encryption is off, since they still decrypt. Raises InvalidConfiguration with
    every problem: contradicting settings, an id defined twice, a text that is not a key, a key that fails its test, no
    key for the id that encrypts.
    """
    problems = []
    if security.require_encryption and not security.enable_encryption:
        problems.append(
            "requireEncryption: true with enableEncryption: false; this would refuse the program's own payloads"
        )
    folder, service = security.key_folder, key_service_of(security)
    candidates = [*keys_in_environment(environ)]
    if folder is not None:
        try:
            candidates += keys_in_folder(folder)
        except OSError as err:
            problems.append(f"key folder {folder}: {err.strerror}; expected a folder with a file for each key ID")
    keys: dict[str, Key] = {}
    sources: dict[str, str] = {}
    for item in candidates:
        if item.id in sources:
            problems.append(f"the key ID {item.id} is defined twice, by {sources[item.id]} and {item.source}; keep one")
            continue
        sources[item.id] = item.source
        try:
            keys[item.id] = load_key(item, security, service)
        except UnusableKeyError as err:
            problems.append(f"{item.source}: the key {err}")
    problems += missing_key_problems(security, sources)
    keyring = Keyring(
        keys=MappingProxyType(keys),
        encrypting_id=security.encryption_key_id if security.enable_encryption else None,
    )
    problems += trial_problems(keyring)
    if problems:
        raise InvalidConfiguration(
            problems, hint="make a key with `trenova keys generate`; docs/encryption.md says how keys are named"
        )
    return keyring


def keys_in_environment(environ: Mapping[str, str]) -> Iterator[FoundKey]:
    for name in sorted(environ):
        if name == VARIABLE:
            yield FoundKey(id=DEFAULT_ID, source=name, text=environ[name])
        elif name.startswith(f"{VARIABLE}_"):
            yield FoundKey(id=name.removeprefix(f"{VARIABLE}_"), source=name, text=environ[name])


def keys_in_folder(folder: Path) -> Iterator[FoundKey]:
    for path in sorted(folder.iterdir()):
        # Kubernetes mounts the files of a secret as links into hidden folders.
        if path.name.startswith("."):
            continue
        text, problem = None, None
        try:
            if path.stat().st_size > MAX_KEY_FILE_BYTES:
                problem = f"is in a file of more than {MAX_KEY_FILE_BYTES} bytes; expected one key and nothing else"
            else:
                text = path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
        except OSError as err:
            problem = f"cannot be read: {err.strerror}"
        except UnicodeDecodeError:
            problem = "is not UTF-8 text; expected base64, hex or other text"
        yield FoundKey(id=path.name, source=str(path), text=text, problem=problem)


def load_key(item: FoundKey, security: SecuritySettings, service: KeyService | None) -> Key:
    if item.text is None:
        raise UnusableKeyError(item.problem)
    if not is_key_id(item.id):
        raise UnusableKeyError(
            f"has the ID {item.id!r}; expected 1 to 64 printable ASCII characters without space or /"
        )
    text = without_assignment(item.text, item.id)
    secret, form = read_secret(text, key_format=security.key_format, service=service)
    return Key(id=item.id, secret=secret, form=form, source=item.source)


def missing_key_problems(security: SecuritySettings, sources: Mapping[str, str]) -> list[str]:
    key_id = security.encryption_key_id
    if not security.enable_encryption or key_id in sources:
        return []
    # Never fall back to the key of another id: correctly configured programs could not read the payloads.
    configured = ", ".join(sorted(sources)) or "none"
    return [f"encryptionKeyID: {key_id!r}; expected a configured key ({configured}), or set {variable_of(key_id)}"]


def trial_problems(keyring: Keyring) -> list[str]:
    return [
        f"{key.source}: a payload encrypted with the key {key.id} cannot be decrypted"
        for key in keyring.keys.values()
        if not passes_trial(key)
    ]


def passes_trial(key: Key) -> bool:
    nonce, plain = os.urandom(NONCE_BYTES), os.urandom(TRIAL_BYTES)
    try:
        cipher = AESGCM(key.secret)
        return cipher.decrypt(nonce, cipher.encrypt(nonce, plain, None), None) == plain
    except (InvalidTag, ValueError):
        return False


def key_service_of(security: SecuritySettings) -> KeyService | None:
    """The service that unwraps keys, if one is configured."""
    return None if security.master_key_file is None else MasterKeyFile(security.master_key_file)
