"""Checking the stored logs."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import msgspec
import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from trenova.domain.verification import LogVerdict, Verification, VerifyRequest
from trenova.errors import TrenovaError

log = structlog.get_logger()

MAX_PLACES = 100  # in the result, which travels through Temporal


class Logs(Protocol):
    """What the activity needs of the store."""

    def logs(
        self, progress: Callable[[int, int], None], *, tenant: str = "", after: str = ""
    ) -> AsyncGenerator[LogVerdict, None]: ...


@dataclass(frozen=True, slots=True)
class VerificationActivities:
    stored: Logs

    @activity.defn(name="VerifyLogs")
    async def verify_logs(self, request: VerifyRequest) -> Verification:
        """Check the logs one after the other. An attempt goes on behind the last log of the attempt before it."""
        verification, after = resumed()

        def progress(done: int, total: int) -> None:
            activity.heartbeat(after, verification, done, total)

        try:
            async with aclosing(self.stored.logs(progress, tenant=request.tenant, after=after)) as verdicts:
                async for verdict in verdicts:
                    for place in verdict.places:
                        log.error(
                            "log damaged",
                            tenant=place.tenant,
                            place=place.place,
                            expected=place.expected,
                            got=place.got,
                        )
                    verification, after = added(verification, verdict), verdict.tenant
                    activity.heartbeat(after, verification)
        except TrenovaError as error:
            raise ApplicationError(
                error.message, type=type(error).__name__, non_retryable=not error.retryable
            ) from None
        return msgspec.structs.replace(verification, finished_at=datetime.now(UTC))


def resumed() -> tuple[Verification, str]:
    """What an attempt before this one has found, and the tenant of the last log that it finished."""
    details = activity.info().heartbeat_details
    if not details:
        return Verification(), ""
    return msgspec.convert(details[1], Verification), details[0]


def added(verification: Verification, verdict: LogVerdict) -> Verification:
    return Verification(
        logs=verification.logs + 1,
        entries=verification.entries + verdict.size,
        removed=verification.removed + verdict.removed,
        checkpoints=verification.checkpoints + verdict.checkpoints,
        damaged=verification.damaged + len(verdict.places),
        places=[*verification.places, *verdict.places][:MAX_PLACES],
    )
