"""API keys: who may ask for what. Only a hash of the secret is kept.

A key reads `trn_<id>_<secret>`: the prefix lets scanners for leaked secrets know it, the id finds the row, the secret
has 256 random bits. So a plain SHA-256 is enough: a slow hash defends guessable passwords, and every request would pay.
"""

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from psycopg.errors import InsufficientPrivilege

from trenova.errors import DATABASE_SETTING, Forbidden, NotFound
from trenova.store.pool import Pool
from trenova.store.sql import sql

Role = Literal["writer", "reader", "admin"]

CREATE, FIND, LIST, REVOKE = (
    sql("create_api_key"),
    sql("find_api_keys"),
    sql("api_keys"),
    sql("revoke_api_key"),
)

PREFIX = "trn"
ID_BYTES, SECRET_BYTES = 6, 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as it is kept. `tenant` None: any tenant."""

    id: str
    name: str
    tenant: str | None
    role: Role
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApiKey:
    """A key at the one moment when its text is known."""

    id: str
    text: str = field(repr=False)


class PresentedKey(NamedTuple):
    """A key as it is looked up: what is kept of the text that somebody sent."""

    id: str
    digest: bytes

    def __repr__(self) -> str:
        return f"PresentedKey({self.id!r})"


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """What is changed here is recorded in the same transaction, and soon an entry of the system's log."""

    pool: Pool

    async def create(self, *, tenant: str | None, role: Role, name: str, by: str) -> NewApiKey:
        """Raises Forbidden for any login but the operator's, or the owner's."""
        key_id, secret = secrets.token_hex(ID_BYTES), secrets.token_urlsafe(SECRET_BYTES)
        row = {"id": key_id, "hash": digest(secret), "name": name, "tenant": tenant, "role": role, "by": by}
        async with self.pool.cursor() as cursor:
            with operators_only():
                await cursor.execute(CREATE, row)
        return NewApiKey(id=key_id, text=f"{PREFIX}_{key_id}_{secret}")

    async def find(self, key: str) -> ApiKey | None:
        """The good key with this text; None when it is malformed, unknown or revoked."""
        (found,) = await self.find_all([parse_key(key)])
        return found

    async def find_all(self, asked: Sequence[PresentedKey]) -> Sequence[ApiKey | None]:
        """As `find`, for many at once in one round trip. The database compares the hashes, and shows none."""
        columns = {"ids": [key_id for key_id, _ in asked], "hashes": [hash_ for _, hash_ in asked]}
        async with self.pool.cursor() as cursor:
            await cursor.execute(FIND, columns)
            good = {
                (key_id, bytes(hash_)): ApiKey(
                    id=key_id, name=name, tenant=tenant, role=role, created_at=created_at, revoked_at=None
                )
                for key_id, hash_, name, tenant, role, created_at in await cursor.fetchall()
            }
        return [good.get(one) for one in asked]

    async def list(self) -> list[ApiKey]:
        """Every key, oldest first, revoked ones too."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(LIST)
            return [
                ApiKey(id=key_id, name=name, tenant=tenant, role=role, created_at=created_at, revoked_at=revoked_at)
                for key_id, name, tenant, role, created_at, revoked_at in await cursor.fetchall()
            ]

    async def revoke(self, key_id: str, *, by: str) -> None:
        """The key stops working with the next request. Revoking twice keeps the first time. Forbidden as `create`."""
        async with self.pool.cursor() as cursor:
            with operators_only():
                await cursor.execute(REVOKE, {"id": key_id, "by": by})
                ((found,),) = await cursor.fetchall()
        if found is None:
            raise NotFound(f"there is no API key with the id {key_id}", hint="list them: trenova api-key list")


@contextmanager
def operators_only() -> Iterator[None]:
    """Say which login may do this."""
    try:
        yield
    except InsufficientPrivilege:
        raise Forbidden(
            "this database login may not make or revoke API keys",
            hint=f"set {DATABASE_SETTING} to a login with the role trenova_operator",
        ) from None


def parse_key(key: str) -> PresentedKey:
    """Of any text: one that is no key of ours gets an id that no key has."""
    key_id, secret = split(key)
    return PresentedKey(key_id, digest(secret))


def split(key: str) -> tuple[str, str]:
    """The id and the secret; an id that no key has for a text that is none of ours."""
    prefix, _, rest = key.partition("_")
    key_id, _, secret = rest.partition("_")
    return (key_id, secret) if prefix == PREFIX and key.isascii() and key.isprintable() else ("", "")


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
