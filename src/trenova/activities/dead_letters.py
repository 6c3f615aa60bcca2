"""Trying parked entries again."""

from dataclasses import dataclass
from typing import Protocol

from temporalio import activity

from trenova.activities.failures import activity_failure
from trenova.domain.dead_letters import RetryResult
from trenova.errors import TrenovaError

# Tried in one transaction: few, so that a log is not held for long while the bad ones are told from the good.
ENTRIES_PER_TRANSACTION = 50


class DeadLetterStore(Protocol):
    """What the activity needs of the store."""

    async def retry(self, limit: int) -> RetryResult: ...


@dataclass(frozen=True, slots=True)
class DeadLetterActivities:
    letters: DeadLetterStore

    @activity.defn(name="RetryDeadLetters")
    async def retry_dead_letters(self) -> RetryResult:
        """Try every parked entry whose next try is due. Each attempt of this activity begins with those still due."""
        total = RetryResult()
        try:
            while (step := await self.letters.retry(ENTRIES_PER_TRANSACTION)).tried:
                total += step
                activity.heartbeat(total)
        except TrenovaError as error:
            raise activity_failure(error) from None
        return total
