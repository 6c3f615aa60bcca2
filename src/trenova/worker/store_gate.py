"""The gate before the database: during an outage batches wait here in their order instead of failing one by one.

A worker holds as many batches as it has slots; the others wait in Temporal's task queue, which is first in, first out.
One of the held batches is attempted every few seconds; once the database answers, the gate opens for all. So an outage
costs a connection every few seconds and a heartbeat per slot, however many batches wait and however long.

Dying here loses nothing: the batches are in Temporal, which gives the held ones to another worker.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from trenova.errors import Unavailable
from trenova.worker.metrics import GATE_SHUT

log = structlog.get_logger()

GATED_ACTIVITY = "StoreAuditBatch"
# Not the type of its subclass for a statement that timed out: that concerns one batch, for example because of a lock.
UNAVAILABLE_TYPE = Unavailable.failure_type

# Between two attempts during an outage. The last one also bounds how late its end is noticed.
PAUSES_S = (1.0, 2.0, 4.0, 5.0)
# Longer than the limit of any statement: no answer by then means no answer at all.
ANSWER_LIMIT_S = 100.0
# Well within the heartbeat timeout, after which Temporal takes this worker for dead.
HEARTBEAT_EVERY_S = 4.0
STORING = "storing"
# An attempt must end before Temporal gives it to another worker.
MARGIN = timedelta(seconds=10)
# An attempt that waited this long for a slot has others behind it. Machines stall for less.
BACKLOG_AFTER = timedelta(seconds=5)

Attempt = Callable[[], Awaitable[Any]]


class StoreGate(Interceptor):
    """Runs before every attempt at storing a batch. One per worker."""

    def __init__(self) -> None:
        self.outage: str | None = None
        """Why the gate is shut; None while it is open."""
        self.shut_at = 0.0
        self.probing = asyncio.Lock()
        """Held by the batch that is attempted while the gate is shut. Batches get it in the order of arrival."""
        self.has_backlog = False
        """Whether batches wait in Temporal. A quick attempt would then overtake them."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - Temporal's name
        return GatedActivity(next, self)

    async def try_once(self, attempt: Attempt) -> Any:
        """Attempt at once or not at all: a failure is followed by a durable attempt at the end of the queue."""
        if self.outage is not None or self.has_backlog:
            raise unavailable_error(self.outage or "other batches wait for the database")
        try:
            return await attempt()
        except ApplicationError as error:
            if error.type == UNAVAILABLE_TYPE:
                self.shut(error.message)
            raise

    async def try_until_answered(self, attempt: Attempt) -> Any:
        """Attempt while the gate is open, else wait, until the database answers."""
        self.note_backlog(activity.info())
        while True:
            if self.outage is None:
                try:
                    return await attempt_within_limit(attempt)
                except ApplicationError as error:
                    if error.type != UNAVAILABLE_TYPE:
                        raise
                    self.shut(error.message)
            activity.heartbeat(self.outage)
            async with self.probing:
                if self.outage is not None:
                    return await self.probe(attempt)

    async def probe(self, attempt: Attempt) -> Any:
        """Attempt every few seconds until the database answers, with whatever result; then open the gate."""
        failures = 0
        while True:
            await pause_unless_stopping(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
            try:
                result = await attempt_within_limit(attempt)
            except ApplicationError as error:
                if error.type != UNAVAILABLE_TYPE:
                    self.open()
                    raise
                self.shut(error.message)
                failures += 1
            else:
                self.open()
                return result

    def note_backlog(self, attempt: activity.Info) -> None:
        """The queue is first in, first out: an attempt that started at once shows that none waits in it."""
        self.has_backlog = attempt.started_time - attempt.current_attempt_scheduled_time > BACKLOG_AFTER

    def shut(self, reason: str) -> None:
        if self.outage is None:
            self.shut_at = time.monotonic()
        if self.outage != reason:
            log.warning("waiting for the database", error=reason, hint="nothing is lost: accepted entries wait")
        self.outage = reason
        GATE_SHUT.set(1)

    def open(self) -> None:
        log.info("the database is available again", away_seconds=round(time.monotonic() - self.shut_at, 1))
        self.outage = None
        GATE_SHUT.set(0)


class GatedActivity(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, gate: StoreGate) -> None:  # noqa: A002 - Temporal's name
        super().__init__(next)
        self.gate = gate

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - Temporal's name
        info = activity.info()
        if info.activity_type != GATED_ACTIVITY:
            return await self.next.execute_activity(input)

        def attempt() -> Awaitable[Any]:
            return self.next.execute_activity(input)

        if info.is_local:
            return await self.gate.try_once(attempt)
        heartbeats = asyncio.create_task(send_heartbeats(self.gate))
        try:
            async with asyncio.timeout(attempt_limit_s(info)):
                return await self.gate.try_until_answered(attempt)
        except TimeoutError:
            raise unavailable_error(self.gate.outage or "the database did not answer in time") from None
        finally:
            heartbeats.cancel()


async def send_heartbeats(gate: StoreGate) -> None:
    """Send heartbeats until cancelled; `temporal workflow describe` shows the outage in them."""
    while True:
        await asyncio.sleep(HEARTBEAT_EVERY_S)
        activity.heartbeat(gate.outage or STORING)


async def attempt_within_limit(attempt: Attempt) -> Any:
    """Make the attempt, and give up if there is no answer: a network may drop packets silently."""
    try:
        async with asyncio.timeout(ANSWER_LIMIT_S):
            return await attempt()
    except TimeoutError:
        raise unavailable_error(f"the database did not answer within {ANSWER_LIMIT_S:.0f} seconds") from None


async def pause_unless_stopping(seconds: float) -> None:
    """Sleep. When the worker stops, raise Unavailable instead, so that another worker takes the batch."""
    try:
        async with asyncio.timeout(seconds):
            await activity.wait_for_worker_shutdown()
    except TimeoutError:
        return
    raise unavailable_error("this worker is stopping; another one takes the batch")


def attempt_limit_s(info: activity.Info) -> float | None:
    """How long this attempt may take. Those that the first release scheduled have two minutes and no heartbeat."""
    limit = info.start_to_close_timeout
    return None if limit is None else (limit - min(MARGIN, limit / 2)).total_seconds()


def unavailable_error(message: str) -> ApplicationError:
    # Benign: the gate has logged the reason once, and Temporal would log a stack for each waiting batch.
    return ApplicationError(message, type=UNAVAILABLE_TYPE, category=ApplicationErrorCategory.BENIGN)
