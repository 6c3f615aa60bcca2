"""What became of a batch: how many of its entries each tenant's log took, and how many it held already."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trenova.domain.batch import BatchResult, Head
from trenova.store.pool import Pool
from trenova.store.sql import sql

BATCH_COUNTS = sql("batch_counts")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBatch:
    """One tenant's part of a batch that is stored."""

    tenant: str
    stored: int
    duplicate: int
    stored_at: datetime


@dataclass(frozen=True, slots=True)
class Batches:
    pool: Pool

    async def find(self, batch_id: str) -> list[StoredBatch]:
        """The parts of a batch, one a tenant; none while it is not stored."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(BATCH_COUNTS, {"batch_id": batch_id})
            return [
                StoredBatch(tenant=tenant, stored=stored, duplicate=duplicate, stored_at=stored_at)
                for tenant, stored, duplicate, stored_at, _ in await cursor.fetchall()
            ]


def summed(batch_id: str, rows: Iterable[Sequence[Any]]) -> BatchResult:
    """The rows of `batch_counts.sql` as one result."""
    parts = list(rows)
    return BatchResult(
        batch_id=batch_id,
        stored=sum(stored for _, stored, *_ in parts),
        duplicate=sum(duplicate for _, _, duplicate, *_ in parts),
        heads=[Head(tenant=tenant, size=size) for tenant, *_, size in parts],
    )
