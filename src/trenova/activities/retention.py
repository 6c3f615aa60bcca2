"""Removes content that is past its retention."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import msgspec
import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from trenova.domain.retention import Removal, RetentionRequest, RetentionResult
from trenova.errors import TrenovaError

log = structlog.get_logger()


class RemovalStore(Protocol):
    """What the activity needs of the store."""

    def run(self, *, tenant: str = "", after: str = "") -> AsyncGenerator[Removal, None]: ...


@dataclass(frozen=True, slots=True)
class RetentionActivities:
    removals: RemovalStore

    @activity.defn(name="RemoveExpired")
    async def remove_expired(self, request: RetentionRequest) -> RetentionResult:
        """Process the ledgers one after the other. An attempt continues after the last ledger of the previous one.

        Within a ledger the database remembers the position, so no step is done twice after a crash.
        """
        done, after = previous_progress()
        try:
            async with aclosing(self.removals.run(tenant=request.tenant, after=after)) as steps:
                async for step in steps:
                    done = done.plus(step)
                    after = after if step.more else step.tenant
                    activity.heartbeat(after, done)
                    if step.entries:
                        log.info("content removed", tenant=step.tenant, entries=step.entries, bytes=step.bytes)
        except TrenovaError as error:
            raise ApplicationError(error.message, type=error.failure_type, non_retryable=not error.retryable) from None
        return msgspec.structs.replace(done, finished_at=datetime.now(UTC))


def previous_progress() -> tuple[RetentionResult, str]:
    """What the previous attempt has removed, and the tenant of the last ledger that it finished."""
    details = activity.info().heartbeat_details
    if not details:
        return RetentionResult(), ""
    return msgspec.convert(details[1], RetentionResult), details[0]
