"""Storing a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from temporalio import activity

from trenova.activities.failures import activity_failure
from trenova.domain.batch import Batch, BatchResult, batch_label
from trenova.errors import TrenovaError


class BatchStore(Protocol):
    """What the activities need of the store."""

    async def append(self, batch_id: str, bodies: Sequence[bytes], *, run_id: str) -> BatchResult: ...


@dataclass(frozen=True, slots=True)
class AuditActivities:
    log: BatchStore

    @activity.defn(name="StoreAuditBatch")
    async def store_batch(self, batch: Batch) -> BatchResult:
        """Store the batch's entries, each once, or park them. May run any number of times: what is there is skipped."""
        info = activity.info()
        try:
            return await self.log.append(
                batch_label(workflow_of(info)), [bytes(entry) for entry in batch.entries], run_id=run_of(info)
            )
        except TrenovaError as error:
            raise activity_failure(error) from None


def workflow_of(info: activity.Info) -> str:
    """The id of the workflow that this runs for; the activity's own where somebody has started it without one."""
    return info.workflow_id or info.activity_id


def run_of(info: activity.Info) -> str:
    """The run that this is for. Never empty: a note without a run is one of an earlier release."""
    return info.workflow_run_id or info.activity_run_id or info.activity_id
