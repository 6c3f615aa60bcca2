"""The gate before the database: while it is away, batches wait here in their order instead of failing one by one.

A worker holds as many batches as it has slots; the others wait in Temporal's task queue, which is first in, first out.
One of those held tries its own batch now and then, and the gate opens for all when that is stored. So an outage costs a
connection now and then and a sign of life for each slot, however many batches wait and however long.

Dying here loses nothing: the batches are in Temporal, which gives those that were held to another worker.
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
# Not its subclass for a statement that is given up: that is the batch's own trouble, a lock for example.
UNAVAILABLE_TYPE = Unavailable.failure_type

# Between two tries while the database is away. The last is also how late its return may be noticed.
PAUSES_S = (1.0, 2.0, 4.0, 5.0)
# Longer than any statement may take: who answers this late does not answer.
ANSWER_LIMIT_S = 100.0
# Well within the heartbeat timeout, after which Temporal takes this worker for dead.
HEARTBEAT_EVERY_S = 4.0
STORING = "storing"
# An attempt must end by itself before Temporal gives it to another worker.
MARGIN = timedelta(seconds=10)
# Who had to wait this long for a slot has others behind it. Machines stall for less.
BACKLOG_AFTER = timedelta(seconds=5)

Attempt = Callable[[], Awaitable[Any]]


class StoreGate(Interceptor):
    """One for each worker; put before every attempt at storing a batch."""

    def __init__(self) -> None:
        self.away: str | None = None
        """Why nobody gets through; None while the gate is open."""
        self.since = 0.0
        self.turn = asyncio.Lock()
        """Held by the one that tries while the gate is shut. Whoever asked first gets it first."""
        self.backlog = False
        """Whether batches wait in Temporal. A quick attempt would then overtake them."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - Temporal's name
        return GatedActivity(next, self)

    async def quick(self, attempt: Attempt) -> Any:
        """Try at once or not at all: what follows a failure is a durable attempt, at the end of the queue."""
        if self.away is not None or self.backlog:
            raise unavailable_error(self.away or "other batches wait for the database")
        try:
            return await attempt()
        except ApplicationError as error:
            if error.type == UNAVAILABLE_TYPE:
                self.shut(error.message)
            raise

    async def durable(self, attempt: Attempt) -> Any:
        """Try when the database is there, as often as it goes away meanwhile."""
        self.note_queue(activity.info())
        while True:
            if self.away is None:
                try:
                    return await attempt_within_limit(attempt)
                except ApplicationError as error:
                    if error.type != UNAVAILABLE_TYPE:
                        raise
                    self.shut(error.message)
            activity.heartbeat(self.away)
            async with self.turn:
                if self.away is not None:
                    return await self.probe(attempt)

    async def probe(self, attempt: Attempt) -> Any:
        """Try now and then until the database answers, whatever it says of this batch; then open the gate."""
        tries = 0
        while True:
            await pause_unless_stopping(PAUSES_S[min(tries, len(PAUSES_S) - 1)])
            try:
                result = await attempt_within_limit(attempt)
            except ApplicationError as error:
                if error.type != UNAVAILABLE_TYPE:
                    self.open()
                    raise
                self.shut(error.message)
                tries += 1
            else:
                self.open()
                return result

    def note_queue(self, attempt: activity.Info) -> None:
        """The queue is first in, first out: an attempt that came at once says that nobody waits in it."""
        self.backlog = attempt.started_time - attempt.current_attempt_scheduled_time > BACKLOG_AFTER

    def shut(self, reason: str) -> None:
        if self.away is None:
            self.since = time.monotonic()
        if self.away != reason:
            log.warning("waiting for the database", error=reason, hint="nothing is lost: accepted entries wait")
        self.away = reason
        GATE_SHUT.set(1)

    def open(self) -> None:
        log.info("the database is back", away_seconds=round(time.monotonic() - self.since, 1))
        self.away = None
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
            return await self.gate.quick(attempt)
        beating = asyncio.create_task(send_heartbeats(self.gate))
        try:
            async with asyncio.timeout(attempt_limit_s(info)):
                return await self.gate.durable(attempt)
        except TimeoutError:
            raise unavailable_error(self.gate.away or "the database did not answer in time") from None
        finally:
            beating.cancel()


async def send_heartbeats(gate: StoreGate) -> None:
    """Signs of life; `temporal workflow describe` shows them with what is waited for."""
    while True:
        await asyncio.sleep(HEARTBEAT_EVERY_S)
        activity.heartbeat(gate.away or STORING)


async def attempt_within_limit(attempt: Attempt) -> Any:
    """The attempt, given up when nothing comes: a network may swallow what it is sent without a word."""
    try:
        async with asyncio.timeout(ANSWER_LIMIT_S):
            return await attempt()
    except TimeoutError:
        raise unavailable_error(f"the database did not answer within {ANSWER_LIMIT_S:.0f} seconds") from None


async def pause_unless_stopping(seconds: float) -> None:
    """Sleep, unless the worker stops: then whoever waits lets go at once, and another worker takes the batch."""
    try:
        async with asyncio.timeout(seconds):
            await activity.wait_for_worker_shutdown()
    except TimeoutError:
        return
    raise unavailable_error("this worker stops; the batch waits for another")


def attempt_limit_s(info: activity.Info) -> float | None:
    """How long this attempt may hold on. Attempts of the first release had two minutes and no heartbeat."""
    limit = info.start_to_close_timeout
    return None if limit is None else (limit - min(MARGIN, limit / 2)).total_seconds()


def unavailable_error(message: str) -> ApplicationError:
    # Benign: the gate has logged the reason once. Temporal would log a stack for each batch that waits.
    return ApplicationError(message, type=UNAVAILABLE_TYPE, category=ApplicationErrorCategory.BENIGN)
