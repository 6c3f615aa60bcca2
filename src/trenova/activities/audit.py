"""Storing a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from temporalio import activity

from trenova.activities.failures import activity_failure
from trenova.domain.batch import Batch, BatchResult, batch_label
from trenova.errors import TrenovaError


class BatchStore(Protocol):
    """What the activity needs of the store."""

    async def append(self, batch_id: str, bodies: Sequence[bytes], *, run_id: str) -> BatchResult: ...


@dataclass(frozen=True, slots=True)
class AuditActivities:
    store: BatchStore

    @activity.defn(name="StoreAuditBatch")
    async def store_batch(self, batch: Batch) -> BatchResult:
        """Store each entry of the batch once, or park it. Idempotent: entries that are already stored are skipped."""
        info = activity.info()
        try:
            return await self.store.append(
                batch_label(workflow_of(info)), [bytes(entry) for entry in batch.entries], run_id=run_of(info)
            )
        except TrenovaError as error:
            raise activity_failure(error) from None


def workflow_of(info: activity.Info) -> str:
    """The id of the activity's workflow; the activity's own id if it was started without a workflow."""
    return info.workflow_id or info.activity_id


def run_of(info: activity.Info) -> str:
    """The id of the activity's run. Never empty: a record without a run is one of an earlier release."""
    return info.workflow_run_id or info.activity_run_id or info.activity_id
