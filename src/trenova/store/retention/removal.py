"""Removing what is past its retention by steps, each a transaction with the entry that tells of it."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import structlog

from trenova.domain.entry import Entry, Party
from trenova.domain.retention import LEDGER_TYPE, REMOVER, Removal
from trenova.errors import LedgerDamaged
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.store import write_checks
from trenova.store.pool import Pool
from trenova.store.retention.records import append_entry
from trenova.store.sql import sql

REMOVE_ENTRIES, EXPIRED_ENTRIES, EXPIRING_LOGS = sql("remove_entries"), sql("expired_entries"), sql("expiring_logs")
EMPTIED = sql("emptied")

log = structlog.get_logger()

PAGE = 100  # logs whose names are read at a time


@dataclass(frozen=True, slots=True)
class Removals:
    pool: Pool
    signer: LedgerSigner | None = None
    """Needed to remove, not to look."""

    async def run(self, *, tenant: str = "", after: str = "", only_look: bool = False) -> AsyncGenerator[Removal, None]:
        """Each step through each log that has a policy, by tenants' names: those behind `after`, or `tenant` alone.

        Any number may run at once: in one log they take turns. Dying leaves whole steps, and who comes next goes on
        where they end, since the database remembers that with them. Raises Unavailable while the database is away.
        A log to which nothing can be appended, because it is damaged, is reported, and nothing is removed from it.
        """
        step = self.look if only_look else self.remove
        while page := await self.logs(tenant=tenant, after=after):
            for name in page:
                done = Removal(tenant=name, next_index=0, more=True)
                while done.more:
                    try:
                        done = await step(name, done.next_index)
                    except LedgerDamaged as error:
                        # Nothing of the step remains. Other logs must go on.
                        log.error("ledger damaged", tenant=name, error=error.message)  # noqa: TRY400 - the message says all
                        break
                    yield done
            after = page[-1]

    async def logs(self, *, tenant: str, after: str) -> list[str]:
        """The next page of tenants with a policy and a log."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(EXPIRING_LOGS, {"tenant": tenant, "after": after, "limit": PAGE})
            return [name for (name,) in await cursor.fetchall()]

    async def look(self, tenant: str, from_index: int) -> Removal:
        """What a step would remove."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(EXPIRED_ENTRIES, {"tenant": tenant, "from_index": from_index})
            ((entries, size, held, next_index, more),) = await cursor.fetchall()
        return Removal(tenant=tenant, entries=entries, bytes=size, held=held, next_index=next_index, more=more)

    async def remove(self, tenant: str, from_index: int) -> Removal:
        """One step: at most 1,000 entries, or 64 MiB of them, in one transaction."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(REMOVE_ENTRIES, {"tenant": tenant, "from_index": from_index})
            (row,) = await cursor.fetchall()
            (entry_id, indexes, entries, size, days, cut_off, removed_at, next_index, more) = row
            if entry_id is not None:
                await cursor.execute(EMPTIED, {"tenant": tenant, "indexes": indexes})
                ((emptied,),) = await cursor.fetchall()
                write_checks.check_emptied(tenant, entries, emptied)
                # Dying here or anywhere before the commit undoes the removal. The head's lock, for which appends to
                # this log wait, is only taken now. The database refuses to commit without this entry.
                report = Entry(
                    id=entry_id,
                    tenant=tenant,
                    occurred_at=removed_at,
                    received_at=removed_at,
                    actor=REMOVER,
                    action="retention.remove",
                    target=Party(type=LEDGER_TYPE, id=tenant),
                    outcome="success",
                    metadata={
                        "entries": entries,
                        "bytes": size,
                        "indexes": spans(indexes),
                        "days": days,
                        "received_before": cut_off,
                    },
                )
                await append_entry(cursor, self.signer, report)
        return Removal(tenant=tenant, entries=entries or 0, bytes=size or 0, next_index=next_index, more=more)


def spans(indexes: Any) -> list[tuple[int, int]]:
    """First and last of each run of indexes, from PostgreSQL's ranges, which end before their upper bound."""
    return [(each.lower, each.upper - 1) for each in indexes]
