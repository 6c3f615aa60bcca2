"""From settings and environment to the keys that sign the ledgers' checkpoints, and making new ones.

A key is a line of text: `PRIVATE+KEY+<name>+<id>+<base64>`, or `wrapped:<base64>` with its 32 bytes wrapped by the key
service that also unwraps encryption keys. Several lines are a rotation: all sign, and the first is the ledger's own.
"""

import base64
import os
from collections.abc import Mapping, Sequence

from trenova.config import LedgerSettings, Settings
from trenova.errors import InvalidConfiguration
from trenova.keys import placeholders
from trenova.keys.key import WRAPPED, UnusableKeyError, unwrap
from trenova.keys.loading import key_service_of
from trenova.keys.master_key import KeyService
from trenova.keys.text import parse_assignment
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.ledger.note import ED25519, KEY_BYTES
from trenova.ledger.signing import Signer, parse_signer

VARIABLE = "TRENOVA_SIGNING_KEY"
HINT = "make a key with `trenova keys generate --signing`; docs/configuration.md says where it goes"


def load_signer(settings: Settings, environ: Mapping[str, str]) -> LedgerSigner:
    """The signer of all ledgers. Raises InvalidConfiguration, which shows no secret, unless every key is valid."""
    source, text = find_signing_keys(settings.ledger, environ)
    service = key_service_of(settings.temporal.security)
    lines = [line.strip() for line in text.splitlines()]
    secrets, problems = [], []
    for number, line in enumerate(lines, start=1):
        try:
            if line:
                secrets.append(parse_signing_key(line, settings.ledger.origin, service))
        except (InvalidConfiguration, UnusableKeyError) as error:
            problems += [f"{source}, line {number}: {reason}" for reason in reasons(error)]
    if not secrets and not problems:
        problems.append(f"{source}: empty; expected a signing key on a line")
    if len({secret.seed for secret in secrets}) < len(secrets):
        problems.append(f"{source}: contains the same signing key twice; keep one")
    if problems:
        raise InvalidConfiguration(problems, hint=HINT)
    return LedgerSigner(prefix=settings.ledger.origin, secrets=tuple(secrets))


def generate_key(name: str, service: KeyService | None = None) -> str:
    """A new key as a line of text, wrapped by `service` if one is given. `name` is only a label."""
    signer = Signer(name=name, seed=os.urandom(KEY_BYTES))
    return signer.secret_text if service is None else WRAPPED + base64.b64encode(service.wrap(signer.seed)).decode()


def find_signing_keys(ledger: LedgerSettings, environ: Mapping[str, str]) -> tuple[str, str]:
    """The source of the keys, for errors, and their text."""
    text, file = environ.get(VARIABLE), ledger.signing_key_file
    if text and file is not None:
        raise InvalidConfiguration([f"both {VARIABLE} and ledger.signingKeyFile set signing keys; keep one of them"])
    if text:
        return VARIABLE, text
    if file is None:
        raise InvalidConfiguration([f"no signing key: set {VARIABLE} or ledger.signingKeyFile"], hint=HINT)
    try:
        return f"signing key file {file}", file.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidConfiguration([f"signing key file {file}: {error.strerror}"], hint=HINT) from None
    except UnicodeDecodeError:
        raise InvalidConfiguration(
            [f"signing key file {file}: expected text, one key on each line"], hint=HINT
        ) from None


def parse_signing_key(line: str, name: str, service: KeyService | None) -> Signer:
    """The key in a line: bare, or as the shell line `export TRENOVA_SIGNING_KEY='…'` that the command prints."""
    if placeholders.is_placeholder(line):
        raise UnusableKeyError(placeholders.complaint("trenova keys generate --signing"))
    if (set_by := parse_assignment(line, VARIABLE)) is not None:
        line = set_by[1]
    if line.startswith(WRAPPED):
        return Signer(name=name, seed=unwrap(line, service))
    signer = parse_signer(line)
    if signer.algorithm != ED25519:
        raise InvalidConfiguration(["signing key: a witness's key; expected one that signs checkpoints"])
    return signer


def reasons(error: InvalidConfiguration | UnusableKeyError) -> Sequence[str]:
    return error.problems if isinstance(error, InvalidConfiguration) else [f"the key {error}"]
