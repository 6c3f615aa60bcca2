"""How long the entries of a tenant are kept, and the default for all tenants. Without either they are kept forever."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import uuid_utils.compat
from psycopg.rows import class_row

from trenova.domain.entry import Entry, Party
from trenova.domain.retention import LEDGER_TYPE, recording_tenant
from trenova.errors import NotFound
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.store.pool import Pool
from trenova.store.retention.records import append_decision, owners_only
from trenova.store.sql import sql

POLICIES, SET_POLICY, UNSET_POLICY = sql("policies"), sql("set_policy"), sql("unset_policy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`tenant` is `*` for the default; `days` count from receipt, None means forever."""

    tenant: str
    days: int | None
    set_by: str
    set_at: datetime


@dataclass(frozen=True, slots=True)
class Policies:
    pool: Pool
    signer: LedgerSigner | None = None
    """Needed to change, not to read: a change is an entry in the tenant's ledger; of the default, in the system's."""

    async def list(self) -> list[Policy]:
        """The default first, then by tenant."""
        async with self.pool.cursor() as cursor:
            cursor.row_factory = class_row(Policy)
            await cursor.execute(POLICIES)
            return await cursor.fetchall()

    async def set(self, tenant: str, days: int | None, *, by: str) -> None:
        """Applies from the next removal on. Raises Forbidden for any role but the schema's owner."""
        async with self.pool.cursor() as cursor:
            with owners_only():
                await cursor.execute(SET_POLICY, {"tenant": tenant, "days": days, "by": by})
                ((at,),) = await cursor.fetchall()
                metadata: dict[str, Any] = {"for_ever": True} if days is None else {"days": days}
                await append_decision(cursor, self.signer, entry(tenant, "retention.set", at, by=by, metadata=metadata))

    async def unset(self, tenant: str, *, by: str) -> None:
        """The tenant follows the default again. Raises NotFound where nothing is set, Forbidden as `set`."""
        async with self.pool.cursor() as cursor:
            with owners_only():
                await cursor.execute(UNSET_POLICY, {"tenant": tenant})
                row = await cursor.fetchone()
                if row is None:
                    raise NotFound(f"no retention is set for {tenant}", hint="list them: trenova retention show")
                (at,) = row
                await append_decision(cursor, self.signer, entry(tenant, "retention.unset", at, by=by, metadata=None))


def entry(tenant: str, action: str, at: datetime, *, by: str, metadata: dict[str, Any] | None) -> Entry:
    return Entry(
        id=uuid_utils.compat.uuid7(),
        tenant=recording_tenant(tenant),
        occurred_at=at,
        received_at=at,
        actor=Party(type="user", id=by),
        action=action,
        target=Party(type=LEDGER_TYPE, id=tenant),
        outcome="success",
        metadata=metadata,
    )
