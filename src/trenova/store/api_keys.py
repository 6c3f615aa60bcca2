"""API keys: who may do what. Only a hash of the secret is stored.

A key is `trn_<id>_<secret>`: scanners for leaked secrets recognize the prefix, the id finds the row, and the secret has
256 random bits. So a plain SHA-256 is enough: a slow hash protects guessable passwords, and would slow down every
request.
"""

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from psycopg.errors import InsufficientPrivilege
from psycopg.rows import class_row

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
    """A key as it is stored, a row of `api_keys.sql`. `tenant` is None for any tenant."""

    id: str
    name: str
    tenant: str | None
    role: Role
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApiKey:
    """A new key, at the only moment when its text is known."""

    id: str
    text: str = field(repr=False)


class PresentedKey(NamedTuple):
    """A key as it is looked up: its id, and the hash of its secret."""

    id: str
    digest: bytes

    def __repr__(self) -> str:
        return f"PresentedKey({self.id!r})"


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """Each change is recorded in the same transaction, and soon an entry of the system's ledger."""

    pool: Pool

    async def create(self, *, tenant: str | None, role: Role, name: str, by: str) -> NewApiKey:
        """Create a key. Raises Forbidden for any login but those of operators and the owner."""
        key_id, secret = secrets.token_hex(ID_BYTES), secrets.token_urlsafe(SECRET_BYTES)
        row = {"id": key_id, "hash": digest(secret), "name": name, "tenant": tenant, "role": role, "by": by}
        async with self.pool.cursor() as cursor:
            with operators_only():
                await cursor.execute(CREATE, row)
        return NewApiKey(id=key_id, text=f"{PREFIX}_{key_id}_{secret}")

    async def find(self, key: str) -> ApiKey | None:
        """The valid key with this text; None for a text that is malformed, unknown or revoked."""
        (api_key,) = await self.find_all([parse_key(key)])
        return api_key

    async def find_all(self, presented: Sequence[PresentedKey]) -> Sequence[ApiKey | None]:
        """As `find`, for many keys in one round trip. The database compares the hashes, and returns only matches."""
        columns = {"ids": [key.id for key in presented], "hashes": [key.digest for key in presented]}
        async with self.pool.cursor() as cursor:
            await cursor.execute(FIND, columns)
            valid = {
                PresentedKey(key_id, hash_): ApiKey(
                    id=key_id, name=name, tenant=tenant, role=role, created_at=created_at, revoked_at=None
                )
                for key_id, hash_, name, tenant, role, created_at in await cursor.fetchall()
            }
        return [valid.get(key) for key in presented]

    async def list(self) -> list[ApiKey]:
        """Every key, oldest first, including revoked ones."""
        async with self.pool.cursor() as cursor:
            cursor.row_factory = class_row(ApiKey)
            await cursor.execute(LIST)
            return await cursor.fetchall()

    async def revoke(self, key_id: str, *, by: str) -> None:
        """The key stops working with the next request. Revoking twice keeps the first time. Forbidden as `create`."""
        async with self.pool.cursor() as cursor:
            with operators_only():
                await cursor.execute(REVOKE, {"id": key_id, "by": by})
                ((revoked_id,),) = await cursor.fetchall()
        if revoked_id is None:
            raise NotFound(f"there is no API key with the id {key_id}", hint="list them: trenova api-key list")


@contextmanager
def operators_only() -> Iterator[None]:
    """Report which login may do this."""
    try:
        yield
    except InsufficientPrivilege:
        raise Forbidden(
            "this database login may not create or revoke API keys",
            hint=f"set {DATABASE_SETTING} to a login with the role trenova_operator",
        ) from None


def parse_key(key: str) -> PresentedKey:
    """Takes any text: one that is not a key of ours gets an id that no key has."""
    key_id, secret = split_key(key)
    return PresentedKey(key_id, digest(secret))


def split_key(key: str) -> tuple[str, str]:
    """The id and the secret; both empty for a text that is not a key of ours."""
    prefix, _, rest = key.partition("_")
    key_id, _, secret = rest.partition("_")
    return (key_id, secret) if prefix == PREFIX and key.isascii() and key.isprintable() else ("", "")


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
