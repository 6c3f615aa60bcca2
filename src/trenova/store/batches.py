"""What became of a batch: how many of its entries each ledger stored, and how many it had already."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from trenova.store.pool import Pool
from trenova.store.sql import sql

BATCH_COUNTS = sql("batch_counts")


class StoredBatch(NamedTuple):
    """One tenant's part of a batch that is stored: a row of `batch_counts.sql`."""

    tenant: str
    stored: int
    duplicate: int
    stored_at: datetime


@dataclass(frozen=True, slots=True)
class Batches:
    pool: Pool

    async def find(self, batch_id: str) -> list[StoredBatch]:
        """The parts of a batch, one for each tenant; empty until it is stored."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(BATCH_COUNTS, {"batch_id": batch_id})
            return [StoredBatch._make(row) for row in await cursor.fetchall()]
