"""Browser sessions, opened with an API key and kept in a cookie that only this service can make.

The server stores nothing: the cookie holds the whole session, sealed under the encryption keys that every API process
has. So every process accepts it, and it survives a restart. It holds the digest of an API key, never the key, and the
digest is looked up for every request: a session ends with its key. It also ends after half an hour without use, and
after eight hours in any case.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from trenova.api import base64url
from trenova.keys.keyring import Keyring
from trenova.store.api_keys import PresentedKey

# With this prefix browsers reject the cookie from other hosts, over plain HTTP, and for some paths only.
COOKIE = "__Host-trenova-session"
IDLE_S, MAX_AGE_S = 30 * 60, 8 * 60 * 60
# A session in use gets a new cookie no more often than this.
RENEWED_AFTER_S = 60
NONCE_BYTES = 12
# Far longer than any sealed session.
MAX_COOKIE_CHARACTERS = 1024
# Changing it ends every session.
PURPOSE = b"trenova/session/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Who has signed in, and when, in seconds since 1970."""

    key: PresentedKey
    opened_at: int
    used_at: int


class SessionFields(msgspec.Struct, frozen=True, array_like=True):
    """The fields of a session that are sealed."""

    key_id: str
    digest: bytes
    opened_at: int
    used_at: int


@dataclass(frozen=True, slots=True)
class Sessions:
    """Creates and reads sessions. The first secret seals, and each can open."""

    secrets: tuple[bytes, ...] = field(repr=False)
    clock: Callable[[], float] = time.time

    def open(self, key: PresentedKey) -> Session:
        now = int(self.clock())
        return Session(key=key, opened_at=now, used_at=now)

    def cookie(self, session: Session) -> str:
        """The value of `Set-Cookie` for the session."""
        left = session.opened_at + MAX_AGE_S - session.used_at
        return set_cookie(self.seal(session), max_age_s=min(IDLE_S, left))

    def renew(self, session: Session) -> Session | None:
        """The session with the current time as its last use; None if its cookie is recent enough."""
        now = int(self.clock())
        return replace(session, used_at=now) if now - session.used_at >= RENEWED_AFTER_S else None

    def seal(self, session: Session) -> str:
        key_id, digest = session.key
        plain = msgspec.json.encode(SessionFields(key_id, digest, session.opened_at, session.used_at))
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + AESGCM(self.secrets[0]).encrypt(nonce, plain, PURPOSE)
        return base64url.encode(sealed)

    def read(self, text: str) -> Session | None:
        """The session in a cookie; None if this service has not sealed it, or it has ended."""
        plain = self.unseal(text)
        if plain is None:
            return None
        sealed = msgspec.json.decode(plain, type=SessionFields)
        now = self.clock()
        if now >= min(sealed.used_at + IDLE_S, sealed.opened_at + MAX_AGE_S):
            return None
        key = PresentedKey(sealed.key_id, sealed.digest)
        return Session(key=key, opened_at=sealed.opened_at, used_at=sealed.used_at)

    def unseal(self, text: str) -> bytes | None:
        if len(text) > MAX_COOKIE_CHARACTERS:
            return None
        try:
            data = base64url.decode(text)
        except ValueError:
            return None
        for secret in self.secrets:
            try:
                return AESGCM(secret).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], PURPOSE)
            except (InvalidTag, ValueError):
                continue
        return None


def sessions_of(keyring: Keyring) -> Sessions:
    """Sessions that every process with these keys accepts; without keys, only this process."""
    ids = sorted(keyring.ids, key=lambda key_id: (key_id != keyring.encrypting_id, key_id))
    secrets = [derive_secret(keyring.keys[key_id].secret) for key_id in ids]
    return Sessions(tuple(secrets) or (os.urandom(32),))


def derive_secret(secret: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE).derive(secret)


def set_cookie(value: str, *, max_age_s: int) -> str:
    return f"{COOKIE}={value}; Path=/; Max-Age={max_age_s}; Secure; HttpOnly; SameSite=Strict"


EXPIRED_COOKIE = set_cookie("", max_age_s=0)
