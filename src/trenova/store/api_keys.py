"""API keys: who may ask for what. Only a hash of the secret is kept.

A key reads `trn_<id>_<secret>`: the prefix lets scanners for leaked secrets know it, the id finds the row, the secret
has 256 random bits. So a plain SHA-256 is enough: a slow hash defends guessable passwords, and every request would pay.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from sqlalchemy import RowMapping, text

from trenova.errors import NotFound
from trenova.store.pool import Pool

Role = Literal["writer", "reader", "admin"]

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


@dataclass(frozen=True, slots=True)
class ApiKeys:
    pool: Pool

    async def create(self, *, tenant: str | None, role: Role, name: str) -> NewApiKey:
        key_id, secret = secrets.token_hex(ID_BYTES), secrets.token_urlsafe(SECRET_BYTES)
        row = {"id": key_id, "hash": digest(secret), "name": name, "tenant": tenant, "role": role}
        async with self.pool.transaction() as connection:
            await connection.execute(
                text(
                    "INSERT INTO api_keys (id, secret_hash, name, tenant, role)"
                    " VALUES (:id, :hash, :name, :tenant, :role)"
                ),
                row,
            )
        return NewApiKey(id=key_id, text=f"{PREFIX}_{key_id}_{secret}")

    async def find(self, key: str) -> ApiKey | None:
        """The good key with this text; None when it is malformed, unknown or revoked."""
        (found,) = await self.find_all([key])
        return found

    async def find_all(self, keys: Sequence[str]) -> Sequence[ApiKey | None]:
        """As `find`, for many at once in one round trip."""
        parts = [split(key) for key in keys]
        async with self.pool.transaction() as connection:
            result = await connection.execute(
                text(
                    "SELECT id, name, tenant, role, created_at, revoked_at, secret_hash"
                    " FROM api_keys WHERE id = ANY(:ids) AND revoked_at IS NULL"
                ),
                {"ids": [key_id for key_id, _ in parts]},
            )
            rows = {row["id"]: row for row in result.mappings()}
        return [good(rows.get(key_id), secret) for key_id, secret in parts]

    async def list(self) -> list[ApiKey]:
        """Every key, oldest first, revoked ones too."""
        async with self.pool.transaction() as connection:
            result = await connection.execute(
                text("SELECT id, name, tenant, role, created_at, revoked_at FROM api_keys ORDER BY created_at, id")
            )
            return [ApiKey(**row) for row in result.mappings()]

    async def revoke(self, key_id: str) -> None:
        """The key stops working with the next request. Revoking twice keeps the first time."""
        async with self.pool.transaction() as connection:
            result = await connection.execute(
                text("UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = :id RETURNING id"),
                {"id": key_id},
            )
            if result.one_or_none() is None:
                raise NotFound(f"there is no API key with the id {key_id}", hint="list them: trenova api-key list")


def split(key: str) -> tuple[str, str]:
    """The id and the secret; an id that no key has for a text that is none of ours."""
    prefix, _, rest = key.partition("_")
    key_id, _, secret = rest.partition("_")
    return (key_id, secret) if prefix == PREFIX and key.isascii() and key.isprintable() else ("", "")


def good(row: RowMapping | None, secret: str) -> ApiKey | None:
    if row is None or not hmac.compare_digest(bytes(row["secret_hash"]), digest(secret)):
        return None
    return ApiKey(**{name: value for name, value in row.items() if name != "secret_hash"})


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
