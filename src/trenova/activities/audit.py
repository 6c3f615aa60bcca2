"""Storing a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from temporalio import activity
from temporalio.exceptions import ApplicationError

from trenova.domain.batch import Batch, BatchResult
from trenova.errors import TrenovaError


class Log(Protocol):
    """What the activities need of the store."""

    async def append(self, batch_id: str, bodies: Sequence[bytes]) -> BatchResult: ...


@dataclass(frozen=True, slots=True)
class AuditActivities:
    log: Log

    @activity.defn(name="StoreAuditBatch")
    async def store_batch(self, batch: Batch) -> BatchResult:
        """Store the batch's entries, each once. May run any number of times: appending skips what is there."""
        try:
            return await self.log.append(batch.batch_id, [bytes(entry) for entry in batch.entries])
        except TrenovaError as error:
            # Without its cause: with the stacks of two drivers Temporal keeps only "Failure exceeds size limit".
            raise ApplicationError(
                error.message, type=type(error).__name__, non_retryable=not error.retryable
            ) from None
