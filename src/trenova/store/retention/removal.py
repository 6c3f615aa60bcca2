"""Removing expired content in steps, each a transaction with the entry that reports it."""

import uuid
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import structlog

from trenova.domain.entry import Entry, Party
from trenova.domain.retention import LEDGER_TYPE, REMOVER, Removal
from trenova.errors import LedgerDamaged
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.store import write_checks
from trenova.store.pool import Pool
from trenova.store.retention.records import append_entry
from trenova.store.sql import sql

REMOVE_ENTRIES, EXPIRED_ENTRIES, EXPIRING_LEDGERS = (
    sql("remove_entries"),
    sql("expired_entries"),
    sql("expiring_ledgers"),
)
COUNT_EMPTIED = sql("count_emptied")

log = structlog.get_logger()

PAGE = 100  # ledgers whose names are read at a time


class RemovedEntries(NamedTuple):
    """What a step has removed: the row of `remove_entries.sql`. Without an `entry_id` it removed nothing."""

    entry_id: uuid.UUID | None
    indexes: Any
    """A multirange of PostgreSQL."""
    entries: int
    size: int
    """In bytes."""
    days: int
    cut_off: datetime
    removed_at: datetime
    next_index: int
    more: bool


@dataclass(frozen=True, slots=True)
class Removals:
    pool: Pool
    signer: LedgerSigner | None = None
    """Needed to remove, not for a dry run."""

    async def run(self, *, tenant: str = "", after: str = "", dry_run: bool = False) -> AsyncGenerator[Removal, None]:
        """Each step through each ledger that has a policy, by tenants' names: those after `after`, or `tenant` alone.

        Any number may run at once: in one ledger they take turns. A crash leaves whole steps, and the next run
        continues after them, since each step stores its position. Raises Unavailable while the database is unreachable.
        A damaged ledger, to which nothing can be appended, is reported, and nothing is removed from it.
        """
        step = self.preview if dry_run else self.remove
        while page := await self.ledgers(tenant=tenant, after=after):
            for name in page:
                removal = Removal(tenant=name, next_index=0, more=True)
                while removal.more:
                    try:
                        removal = await step(name, removal.next_index)
                    except LedgerDamaged as error:
                        # Nothing of the step remains. Other ledgers must continue.
                        log.error("ledger damaged", tenant=name, error=error.message)  # noqa: TRY400 - the message says all
                        break
                    yield removal
            after = page[-1]

    async def ledgers(self, *, tenant: str, after: str) -> list[str]:
        """The next page of tenants with a policy and a ledger."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(EXPIRING_LEDGERS, {"tenant": tenant, "after": after, "limit": PAGE})
            return [name for (name,) in await cursor.fetchall()]

    async def preview(self, tenant: str, from_index: int) -> Removal:
        """What the next step would remove."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(EXPIRED_ENTRIES, {"tenant": tenant, "from_index": from_index})
            ((entries, size, held, next_index, more),) = await cursor.fetchall()
        return Removal(tenant=tenant, entries=entries, bytes=size, held=held, next_index=next_index, more=more)

    async def remove(self, tenant: str, from_index: int) -> Removal:
        """One step: at most 1,000 entries, or 64 MiB of them, in one transaction."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(REMOVE_ENTRIES, {"tenant": tenant, "from_index": from_index})
            (row,) = await cursor.fetchall()
            step = RemovedEntries._make(row)
            if step.entry_id is not None:
                await cursor.execute(COUNT_EMPTIED, {"tenant": tenant, "indexes": step.indexes})
                ((emptied,),) = await cursor.fetchall()
                write_checks.check_emptied(tenant, step.entries, emptied)
                # A crash here or anywhere before the commit undoes the removal. Only now is the head locked, for which
                # appends to this ledger wait. The database does not commit without this entry.
                report = Entry(
                    id=step.entry_id,
                    tenant=tenant,
                    occurred_at=step.removed_at,
                    received_at=step.removed_at,
                    actor=REMOVER,
                    action="retention.remove",
                    target=Party(type=LEDGER_TYPE, id=tenant),
                    outcome="success",
                    metadata={
                        "entries": step.entries,
                        "bytes": step.size,
                        "indexes": spans(step.indexes),
                        "days": step.days,
                        "received_before": step.cut_off,
                    },
                )
                await append_entry(cursor, self.signer, report)
        return Removal(
            tenant=tenant,
            entries=step.entries or 0,
            bytes=step.size or 0,
            next_index=step.next_index,
            more=step.more,
        )


def spans(indexes: Any) -> list[tuple[int, int]]:
    """First and last index of each run. PostgreSQL's ranges end before their upper bound."""
    return [(each.lower, each.upper - 1) for each in indexes]
