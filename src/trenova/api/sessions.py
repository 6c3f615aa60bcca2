"""Sessions of a browser: what an API key opens for a while, in a cookie that only this service can make.

Nothing of a session is kept here: the cookie holds all of it, sealed under the encryption keys that every API process
has. So each process of several takes it, and it outlives a restart. It holds what the database compares of an API key,
never the key, and that is compared with each request: a session ends with its key. It ends by itself after half an hour
without use, and after eight hours in any case.
"""

import base64
import binascii
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from trenova.keys.keyring import Keyring
from trenova.store.api_keys import PresentedKey

# The prefix has browsers refuse it from other hosts, from plain HTTP, and for a part of the paths.
COOKIE = "__Host-trenova-session"
IDLE_S, MAX_AGE_S = 30 * 60, 8 * 60 * 60
# A session that is in use is told so no more often: each time is another cookie.
RENEWED_AFTER_S = 60
NONCE_BYTES = 12
# Far above what is ever sealed.
MAX_COOKIE_CHARACTERS = 1024
# Changing it ends every session.
PURPOSE = b"trenova/session/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Who has signed in, and since when, in seconds since 1970."""

    key: PresentedKey
    opened_at: int
    used_at: int


class SessionFields(msgspec.Struct, frozen=True, array_like=True):
    """A session as it is written before it is sealed."""

    key_id: str
    digest: bytes
    opened_at: int
    used_at: int


@dataclass(frozen=True, slots=True)
class Sessions:
    """Opens sessions, and knows them again. The first secret seals, each opens."""

    secrets: tuple[bytes, ...] = field(repr=False)
    clock: Callable[[], float] = time.time

    def open(self, key: PresentedKey) -> Session:
        now = int(self.clock())
        return Session(key=key, opened_at=now, used_at=now)

    def cookie(self, session: Session) -> str:
        """What the browser is to keep, as the value of `Set-Cookie`."""
        left = session.opened_at + MAX_AGE_S - session.used_at
        return set_cookie(self.seal(session), max_age_s=min(IDLE_S, left))

    def renewed(self, session: Session) -> Session | None:
        """The session as it is used now; None where the cookie says so well enough."""
        now = int(self.clock())
        return replace(session, used_at=now) if now - session.used_at >= RENEWED_AFTER_S else None

    def seal(self, session: Session) -> str:
        key_id, digest = session.key
        plain = msgspec.json.encode(SessionFields(key_id, digest, session.opened_at, session.used_at))
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + AESGCM(self.secrets[0]).encrypt(nonce, plain, PURPOSE)
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def read(self, text: str) -> Session | None:
        """The session in a cookie; None for what this service has not sealed, and for one that has ended."""
        plain = self.unsealed(text)
        if plain is None:
            return None
        sealed = msgspec.json.decode(plain, type=SessionFields)
        now = self.clock()
        if now >= min(sealed.used_at + IDLE_S, sealed.opened_at + MAX_AGE_S):
            return None
        key = PresentedKey(sealed.key_id, sealed.digest)
        return Session(key=key, opened_at=sealed.opened_at, used_at=sealed.used_at)

    def unsealed(self, text: str) -> bytes | None:
        if len(text) > MAX_COOKIE_CHARACTERS or not text.isascii():
            return None
        try:
            data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except binascii.Error:
            return None
        for secret in self.secrets:
            try:
                return AESGCM(secret).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], PURPOSE)
            except (InvalidTag, ValueError):
                continue
        return None


def sessions_of(keyring: Keyring) -> Sessions:
    """Those of every process that holds these keys; of this process alone where there are none."""
    ids = sorted(keyring.ids, key=lambda key_id: (key_id != keyring.encrypting_id, key_id))
    secrets = [derive_secret(keyring.keys[key_id].secret) for key_id in ids]
    return Sessions(tuple(secrets) or (os.urandom(32),))


def derive_secret(secret: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE).derive(secret)


def set_cookie(value: str, *, max_age_s: int) -> str:
    return f"{COOKIE}={value}; Path=/; Max-Age={max_age_s}; Secure; HttpOnly; SameSite=Strict"


EXPIRED_COOKIE = set_cookie("", max_age_s=0)
