"""What became of a batch: how many of its entries each tenant's log took, and how many it held already."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trenova.domain.batch import BatchResult
from trenova.ledger.tree import Frontier
from trenova.store.pool import Pool
from trenova.store.sql import sql
from trenova.store.trees import head

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
                for tenant, stored, duplicate, stored_at in await cursor.fetchall()
            ]


def summed(batch_id: str, rows: Iterable[Sequence[Any]], heads: Mapping[str, Frontier]) -> BatchResult:
    """The rows of `batch_counts.sql` as one result, with the trees as they are after the batch, by tenant."""
    parts = list(rows)
    return BatchResult(
        batch_id=batch_id,
        stored=sum(stored for _, stored, *_ in parts),
        duplicate=sum(duplicate for _, _, duplicate, *_ in parts),
        heads=[head(tenant, frontier) for tenant, frontier in heads.items()],
    )
