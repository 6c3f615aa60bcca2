"""How long the entries of a tenant are kept, and the default for all tenants. Without either: for ever."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import uuid_utils.compat

from trenova.domain.entry import Entry, Party
from trenova.domain.retention import LEDGER_TYPE, recording_tenant
from trenova.errors import NotFound
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.store.pool import Pool
from trenova.store.retention.records import append_decision, owners_only
from trenova.store.sql import sql

POLICIES, SET_POLICY = sql("policies"), sql("set_policy")
UNSET_POLICY = "DELETE FROM retention_policies WHERE tenant = %(tenant)s RETURNING clock_timestamp()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`tenant` `*`: the default. `days` since receipt, None: for ever."""

    tenant: str
    days: int | None
    set_by: str
    set_at: datetime


@dataclass(frozen=True, slots=True)
class Policies:
    pool: Pool
    signer: LedgerSigner | None = None
    """Needed to change, not to read: every change is an entry in the tenant's log, or the system's for the default."""

    async def list(self) -> list[Policy]:
        """The default first, then by tenant."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(POLICIES)
            return [
                Policy(tenant=tenant, days=days, set_by=set_by, set_at=set_at)
                for tenant, days, set_by, set_at in await cursor.fetchall()
            ]

    async def set(self, tenant: str, days: int | None, *, by: str) -> None:
        """Raises Forbidden for any role but the schema's owner. Holds from the next removal on."""
        async with self.pool.cursor() as cursor:
            with owners_only():
                await cursor.execute(SET_POLICY, {"tenant": tenant, "days": days, "by": by})
                ((at,),) = await cursor.fetchall()
                said: dict[str, Any] = {"for_ever": True} if days is None else {"days": days}
                await append_decision(cursor, self.signer, entry(tenant, "retention.set", at, by=by, metadata=said))

    async def unset(self, tenant: str, *, by: str) -> None:
        """The tenant follows the default again. Raises NotFound where nothing is set, Forbidden as `set`."""
        async with self.pool.cursor() as cursor:
            with owners_only():
                await cursor.execute(UNSET_POLICY, {"tenant": tenant})
                found = await cursor.fetchone()
                if found is None:
                    raise NotFound(f"no retention is set for {tenant}", hint="list them: trenova retention show")
                await append_decision(
                    cursor, self.signer, entry(tenant, "retention.unset", found[0], by=by, metadata=None)
                )


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
