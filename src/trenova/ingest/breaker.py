"""Whether Temporal is away, or refuses us: found out by asking it, so that requests need not wait in vain."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextvars import Context
from datetime import timedelta
from typing import TypeVar

import structlog
from temporalio.client import Client
from temporalio.service import RPCError

from trenova.errors import TemporalDenied, TemporalUnreachable
from trenova.ingest.start import DENIED, is_ambiguous
from trenova.runtime import connection

log = structlog.get_logger()

# A start takes milliseconds, a large one on a busy server a second. One that takes longer raises a doubt, no more.
DOUBT_AFTER_S = 2.0
PROBE_TIMEOUT = timedelta(seconds=3)
# The probe that opens is not the first without an answer: a machine that stalls for a moment misses one.
UNANSWERED_PROBES = 2
PROBE_EVERY_S = 1.0
# For the way to a Temporal that does not answer: meanwhile nobody asks whether it is back.
EXPLAIN_S = 5.0

Answer = TypeVar("Answer")


class Breaker:
    """`away` or `reachable`, and one probe that finds out which, when there is a doubt and until it is answered.

    What a start tells is its own affair: it may be large, or its shard busy. So a start that is slow or fails raises a
    doubt, and only unanswered probes say that Temporal is away. They ask something small that goes the whole way to
    Temporal's database. A Temporal that reads but cannot write answers them: then each start fails for itself.

    One that refuses us is not away. The door stays open, since a start may be allowed where the probe is not; but
    nothing is spooled that may never be delivered.
    """

    def __init__(self, client: Client, changed: Callable[[], None]) -> None:
        self.client = client
        self.changed = changed
        self.away = asyncio.Event()
        self.reachable = asyncio.Event()
        self.reachable.set()
        self.fault: connection.ConnectionFault | None = None
        """Why Temporal cannot be used now, with its address: for operators, never for callers of the API."""
        self.asking: asyncio.Task[None] | None = None
        self.known = asyncio.Event()
        """Whether it has been found out, since the last doubt, what is wrong, if anything is."""
        self.known.set()

    @property
    def refused(self) -> bool:
        return isinstance(self.fault, TemporalDenied)

    async def watched(self, start: Callable[[], Awaitable[Answer]]) -> Answer:
        """The start's answer, however long it tries."""
        doubt = asyncio.get_running_loop().call_later(DOUBT_AFTER_S, self.doubt)
        try:
            return await start()
        except (TemporalUnreachable, TemporalDenied):
            self.doubt()
            raise
        finally:
            doubt.cancel()

    async def unless_away(self, start: Callable[[], Awaitable[Answer]]) -> Answer:
        """The start's answer, or TemporalUnreachable as soon as that is known; the start may have succeeded."""
        try:
            return await self.or_away(start)
        except TemporalUnreachable as error:
            # The SDK cannot always tell: it says "broken pipe" of a certificate that is refused.
            await self.known.wait()
            if self.refused:
                raise TemporalDenied(DENIED).of_something_sent() from error
            raise

    async def or_away(self, start: Callable[[], Awaitable[Answer]]) -> Answer:
        if self.away.is_set():
            raise TemporalUnreachable("Temporal is away")
        starting = asyncio.ensure_future(self.watched(start))
        away = asyncio.ensure_future(self.away.wait())
        try:
            await asyncio.wait({starting, away}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                return starting.result()
            raise TemporalUnreachable("Temporal is away")
        finally:
            starting.cancel()
            away.cancel()

    def doubt(self) -> None:
        if self.asking is None:
            self.known.clear()
            # In a context of its own: what it finds is not about the request that raised the doubt.
            self.asking = asyncio.create_task(self.ask(), context=Context())

    async def ask(self) -> None:
        """Ask until there is a good answer."""
        try:
            unanswered, explained = 0, None
            while (error := await self.failure()) is not None:
                unanswered = 0 if connection.is_denial(error) else unanswered + 1
                if 0 < unanswered < UNANSWERED_PROBES:
                    await asyncio.sleep(PROBE_EVERY_S)
                    continue
                if isinstance(error, TimeoutError):
                    # To explain a silence takes long, and what is to be done meanwhile is clear.
                    self.close()
                if str(error) != explained:
                    explained = str(error)
                    self.tell(await connection.explain(self.client, error, limit_s=EXPLAIN_S))
                await asyncio.sleep(PROBE_EVERY_S)
        finally:
            self.asking = None
            self.known.set()
        if self.fault is not None:
            log.info("temporal is back")
        self.fault = None
        self.open()

    def tell(self, fault: connection.ConnectionFault) -> None:
        """Note the fault, and log it: once, not with every request, nor when the same thing fails in other words."""
        refuses = isinstance(fault, TemporalDenied)
        if self.fault is None or self.fault.hint != fault.hint:
            log.warning("temporal refuses us" if refuses else "temporal is away", error=fault.message, hint=fault.hint)
        self.fault = fault
        self.known.set()
        if refuses:
            self.open()
        else:
            self.close()

    def close(self) -> None:
        if not self.away.is_set():
            self.fault = self.fault or TemporalUnreachable("Temporal does not answer")
            self.known.set()
            self.reachable.clear()
            self.away.set()
            self.changed()

    def open(self) -> None:
        if self.away.is_set():
            self.away.clear()
            self.reachable.set()
            self.changed()

    async def failure(self) -> Exception | None:
        """What a probe fails with; None where there is an answer, other than that it refuses us."""
        try:
            await connection.probe(self.client, PROBE_TIMEOUT)
        except RPCError as error:
            return error if is_ambiguous(error) or connection.is_denial(error) else None
        except (RuntimeError, TimeoutError) as error:
            return error
        return None

    async def stop(self) -> None:
        if self.asking is not None:
            self.asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.asking
