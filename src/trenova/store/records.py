"""What the database itself has to say in the logs: records of changes beside them, appended as entries.

A function of the database writes the record in the transaction of the change. Who calls it has no signing key, so a
worker appends the entry, soon and once: its id is that of the record.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import psycopg
import structlog
import uuid_utils.compat

from trenova.domain.entry import Entry, Party
from trenova.domain.intake import encoder
from trenova.errors import InvalidConfiguration, LedgerDamaged, RowRejected
from trenova.ledger.hashing import SALT_BYTES
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.store import write_checks
from trenova.store.append import append
from trenova.store.pool import Pool
from trenova.store.rows import incoming
from trenova.store.sql import sql

PENDING_LOGS, PENDING_RECORDS, APPENDED = sql("pending_logs"), sql("pending_records"), sql("records_appended")
ADD = sql("add_record")

LOGS_AT_ONCE = 1000
RECORDS_AT_ONCE = 100  # in one transaction

Cursor = psycopg.AsyncCursor[Any]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Records:
    pool: Pool
    signer: LedgerSigner | None = None

    async def append_pending(self) -> int:
        """Append what is pending; gives how many. A log that is damaged, or refuses, keeps its own, and no other's.

        Any number of workers may do this at once. Dying before a commit leaves its records pending; after it their
        entries are in the log, which is what the database asks for before it takes them off the list.
        """
        if self.signer is None:
            raise InvalidConfiguration(["nothing is appended without a signing key, and this program has none"])
        async with self.pool.cursor() as cursor:
            await cursor.execute(PENDING_LOGS, {"limit": LOGS_AT_ONCE})
            tenants = [tenant for (tenant,) in await cursor.fetchall()]
        appended = 0
        for tenant in tenants:
            try:
                while count := await append_some(self.pool, self.signer, tenant):
                    appended += count
            except (LedgerDamaged, RowRejected) as error:
                log.error("records not appended", tenant=tenant, error=error.message)  # noqa: TRY400 - the message says all
        return appended


async def append_some(pool: Pool, signer: LedgerSigner, tenant: str) -> int:
    async with pool.cursor() as cursor:
        await cursor.execute(PENDING_RECORDS, {"tenant": tenant, "limit": RECORDS_AT_ONCE})
        entries = [entry_of(tenant, row) for row in await cursor.fetchall()]
        if not entries:
            return 0
        bodies = [encoder.encode(entry) for entry in entries]
        in_turn = iter(entries)
        batch = incoming(bodies, os.urandom(SALT_BYTES * len(bodies)), lambda _: next(in_turn))
        await append(cursor, signer, f"records-{uuid_utils.compat.uuid7()}", batch)
        await cursor.execute(APPENDED, {"tenant": tenant, "ids": [entry.id for entry in entries]})
        write_checks.check_recorded(tenant, len(entries), cursor.rowcount)
    return len(entries)


def entry_of(tenant: str, row: Sequence[Any]) -> Entry:
    """The entry that a row of `pending_records.sql` is told by: the same each time."""
    id_, action, actor_type, actor_id, target_type, target_id, target_name, metadata, made_at = row
    return Entry(
        id=id_,
        tenant=tenant,
        occurred_at=made_at,
        received_at=made_at,
        actor=Party(type=actor_type, id=actor_id),
        action=action,
        target=Party(type=target_type, id=target_id, name=target_name),
        outcome="success",
        metadata=None if metadata is None else msgspec.json.decode(metadata),
    )


async def add(cursor: Cursor, entry: Entry) -> None:
    """Have the database know an entry, appended in this transaction, as one that tells of a change: for owners."""
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
