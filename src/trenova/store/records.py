"""Records of changes beside the ledgers, which workers append as entries.

A function of the database writes the record in the transaction of the change. Its caller has no signing key, so a
worker appends the entry soon after, and once: the entry has the id of the record.
"""

import os
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import psycopg
import structlog
import uuid_utils.compat

from trenova.domain.entry import Entry, Party
from trenova.domain.intake import encoder
from trenova.errors import LedgerDamaged, RowRejected
from trenova.ledger.hashing import SALT_BYTES
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.store import write_checks
from trenova.store.appending.append import append, require_signer
from trenova.store.appending.rows import read_batch
from trenova.store.pool import Pool
from trenova.store.sql import sql

PENDING_LEDGERS, PENDING_RECORDS = sql("pending_ledgers"), sql("pending_records")
ADD, MARK_APPENDED = sql("add_record"), sql("mark_appended")

LEDGERS_AT_ONCE = 1000
RECORDS_AT_ONCE = 100  # in one transaction

Cursor = psycopg.AsyncCursor[Any]

log = structlog.get_logger()


class PendingRecord(NamedTuple):
    """A row of `pending_records.sql`."""

    id: uuid.UUID
    action: str
    actor_type: str
    actor_id: str
    target_type: str
    target_id: str
    target_name: str | None
    metadata: str | None
    """JSON."""
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Records:
    pool: Pool
    signer: LedgerSigner | None = None

    async def append_pending(self) -> int:
        """Append the pending records; returns how many. A damaged ledger holds up its own records and no other's.

        Any number of workers may do this at once. A crash before a commit leaves its records pending; after it their
        entries are in the ledger, which the database checks before it marks them as appended.
        """
        signer = require_signer(self.signer)
        async with self.pool.cursor() as cursor:
            await cursor.execute(PENDING_LEDGERS, {"limit": LEDGERS_AT_ONCE})
            tenants = [tenant for (tenant,) in await cursor.fetchall()]
        appended = 0
        for tenant in tenants:
            try:
                while count := await append_some(self.pool, signer, tenant):
                    appended += count
            except (LedgerDamaged, RowRejected) as error:
                log.error("records not appended", tenant=tenant, error=error.message)  # noqa: TRY400 - the message says all
        return appended


async def append_some(pool: Pool, signer: LedgerSigner, tenant: str) -> int:
    """Append at most RECORDS_AT_ONCE records of one ledger, in one transaction; returns how many."""
    async with pool.cursor() as cursor:
        await cursor.execute(PENDING_RECORDS, {"tenant": tenant, "limit": RECORDS_AT_ONCE})
        entries = [entry_of(tenant, PendingRecord._make(row)) for row in await cursor.fetchall()]
        if not entries:
            return 0
        bodies = [encoder.encode(entry) for entry in entries]
        in_order = iter(entries)
        batch = read_batch(bodies, os.urandom(SALT_BYTES * len(bodies)), lambda _: next(in_order))
        await append(cursor, signer, f"records-{uuid_utils.compat.uuid7()}", batch)
        await cursor.execute(MARK_APPENDED, {"tenant": tenant, "ids": [entry.id for entry in entries]})
        write_checks.check_recorded(tenant, len(entries), cursor.rowcount)
    return len(entries)


def entry_of(tenant: str, record: PendingRecord) -> Entry:
    """The entry that reports the change: the same one each time."""
    return Entry(
        id=record.id,
        tenant=tenant,
        occurred_at=record.made_at,
        received_at=record.made_at,
        actor=Party(type=record.actor_type, id=record.actor_id),
        action=record.action,
        target=Party(type=record.target_type, id=record.target_id, name=record.target_name),
        outcome="success",
        metadata=None if record.metadata is None else msgspec.json.decode(record.metadata),
    )


async def add(cursor: Cursor, entry: Entry) -> None:
    """Record that an entry, appended in this transaction, reports a change. Only the owner of the tables may."""
    record = {
        "tenant": entry.tenant,
        "id": entry.id,
        "action": entry.action,
        "actor_type": entry.actor.type,
        "actor_id": entry.actor.id,
        "target_type": entry.target.type,
        "target_id": entry.target.id,
        "target_name": entry.target.name,
        "metadata": None if entry.metadata is None else encoder.encode(entry.metadata).decode(),
        "made_at": entry.occurred_at,
    }
    await cursor.execute(ADD, record)
