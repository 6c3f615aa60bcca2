"""Retries parked entries."""

from dataclasses import dataclass
from typing import Protocol

from temporalio import activity

from trenova.activities.failures import activity_failure
from trenova.domain.dead_letters import RetryResult
from trenova.errors import TrenovaError

# Few, so that a ledger is not locked for long while rejected entries are separated from the others.
ENTRIES_PER_TRANSACTION = 50


class DeadLetterStore(Protocol):
    """What the activity needs of the store."""

    async def retry(self, limit: int) -> RetryResult: ...


@dataclass(frozen=True, slots=True)
class DeadLetterActivities:
    store: DeadLetterStore

    @activity.defn(name="RetryDeadLetters")
    async def retry_dead_letters(self) -> RetryResult:
        """Retry every parked entry that is due. Each attempt of this activity begins with those still due."""
        total = RetryResult()
        try:
            while (step := await self.store.retry(ENTRIES_PER_TRANSACTION)).tried:
                total += step
                activity.heartbeat(total)
        except TrenovaError as error:
            raise activity_failure(error) from None
        return total
