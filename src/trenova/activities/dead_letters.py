"""Trying parked entries again."""

from dataclasses import dataclass
from typing import Protocol

from temporalio import activity

from trenova.activities.failures import failed
from trenova.domain.dead_letters import RetryResult
from trenova.errors import TrenovaError

# Tried in one transaction: few, so that a log is not held for long while the bad ones are told from the good.
AT_ONCE = 50


class Letters(Protocol):
    """What the activity needs of the store."""

    async def retry(self, limit: int) -> RetryResult: ...


@dataclass(frozen=True, slots=True)
class DeadLetterActivities:
    letters: Letters

    @activity.defn(name="RetryDeadLetters")
    async def retry_dead_letters(self) -> RetryResult:
        """Try every parked entry whose next try is due. Each attempt of this activity begins with those still due."""
        total = RetryResult()
        try:
            while (step := await self.letters.retry(AT_ONCE)).tried:
                total += step
                activity.heartbeat(total)
        except TrenovaError as error:
            raise failed(error) from None
        return total
