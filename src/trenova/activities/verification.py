"""Verifies the stored ledgers."""

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import msgspec
import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from trenova.domain.verification import DamagedPlace, LedgerVerdict, Verification, VerifyRequest
from trenova.errors import TrenovaError

log = structlog.get_logger()

MAX_PLACES = 100  # in the result, which travels through Temporal


class LedgerVerifier(Protocol):
    """What the activity needs of the store."""

    async def check_database(self) -> list[DamagedPlace]: ...

    def verify_ledgers(
        self, progress: Callable[[int, int], None], *, tenant: str = "", after: str = ""
    ) -> AsyncGenerator[LedgerVerdict, None]: ...


@dataclass(frozen=True, slots=True)
class VerificationActivities:
    verifier: LedgerVerifier

    @activity.defn(name="VerifyLogs")
    async def verify_logs(self, request: VerifyRequest) -> Verification:
        """Check the objects of the database, then the ledgers one after the other.

        An attempt continues after the last ledger of the previous one.
        """
        verification, after = previous_progress()

        def progress(done: int, total: int) -> None:
            activity.heartbeat(after, verification, done, total)

        try:
            if not activity.info().heartbeat_details:
                places = await self.verifier.check_database()
                log_damage(places)
                verification = add_places(verification, places)
                activity.heartbeat(after, verification)
            async with aclosing(self.verifier.verify_ledgers(progress, tenant=request.tenant, after=after)) as verdicts:
                async for verdict in verdicts:
                    log_damage(verdict.places)
                    verification, after = add_verdict(verification, verdict), verdict.tenant
                    activity.heartbeat(after, verification)
        except TrenovaError as error:
            raise ApplicationError(error.message, type=error.failure_type, non_retryable=not error.retryable) from None
        return msgspec.structs.replace(verification, finished_at=datetime.now(UTC))


def previous_progress() -> tuple[Verification, str]:
    """What the previous attempt has found, and the tenant of the last ledger that it finished."""
    details = activity.info().heartbeat_details
    if not details:
        return Verification(), ""
    return msgspec.convert(details[1], Verification), details[0]


def log_damage(places: Iterable[DamagedPlace]) -> None:
    for place in places:
        next_step = {"next_step": place.next_step} if place.next_step else {}
        log.error(
            "ledger damaged",
            tenant=place.tenant,
            place=place.place,
            expected=place.expected,
            got=place.got,
            **next_step,
        )


def add_verdict(verification: Verification, verdict: LedgerVerdict) -> Verification:
    counted = msgspec.structs.replace(
        verification,
        logs=verification.logs + 1,
        entries=verification.entries + verdict.size,
        removed=verification.removed + verdict.removed,
        checkpoints=verification.checkpoints + verdict.checkpoints,
    )
    return add_places(counted, verdict.places)


def add_places(verification: Verification, places: list[DamagedPlace]) -> Verification:
    return msgspec.structs.replace(
        verification,
        damaged=verification.damaged + len(places),
        places=[*verification.places, *places][:MAX_PLACES],
    )
