"""A circuit breaker: whether Temporal is unreachable or denies access, so that requests need not wait for a timeout."""

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
from trenova.ingest.start import DENIED, UNREACHABLE, is_ambiguous
from trenova.runtime import connection

log = structlog.get_logger()

# A start takes milliseconds, a large one on a busy server a second. A slower one only raises a doubt.
DOUBT_AFTER_S = 2.0
PROBE_TIMEOUT = timedelta(seconds=3)
# So many unanswered probes in a row open the breaker: a machine that stalls for a moment misses one.
UNANSWERED_PROBES = 2
PROBE_EVERY_S = 1.0
# For the diagnosis of a Temporal that does not answer. No probe is sent in that time.
EXPLAIN_S = 5.0

Answer = TypeVar("Answer")


class Breaker:
    """Events `unreachable` and `reachable`, and one probe that decides between them while there is a doubt.

    One failed start proves little: it may be large, or its shard busy. So a slow or failed start only raises a doubt,
    and only unanswered probes make Temporal unreachable. A probe is a small call that needs Temporal's database. If
    Temporal can read but not write, probes are answered, and each start fails by itself.

    A Temporal that denies access is not unreachable. The breaker stays closed, since a start may be permitted where
    the probe is not; but nothing is spooled that may never be delivered.
    """

    def __init__(self, client: Client, changed: Callable[[], None]) -> None:
        self.client = client
        self.changed = changed
        self.unreachable = asyncio.Event()
        self.reachable = asyncio.Event()
        self.reachable.set()
        self.fault: connection.ConnectionFault | None = None
        """Why Temporal cannot be used now, with its address: for operators, never for clients of the API."""
        self.probing: asyncio.Task[None] | None = None
        self.diagnosed = asyncio.Event()
        """Set unless there is a doubt whose outcome is still unknown."""
        self.diagnosed.set()

    @property
    def is_denied(self) -> bool:
        return isinstance(self.fault, TemporalDenied)

    async def run_start(self, start: Callable[[], Awaitable[Answer]]) -> Answer:
        """The start's answer, however long it takes. Raises a doubt if it is slow or fails."""
        doubt = asyncio.get_running_loop().call_later(DOUBT_AFTER_S, self.doubt)
        try:
            return await start()
        except (TemporalUnreachable, TemporalDenied):
            self.doubt()
            raise
        finally:
            doubt.cancel()

    async def unless_unreachable(self, start: Callable[[], Awaitable[Answer]]) -> Answer:
        """The start's answer, or TemporalUnreachable as soon as that is known; the start may have succeeded."""
        try:
            return await self.start_or_unreachable(start)
        except TemporalUnreachable as error:
            # The SDK cannot always tell the two apart: it reports "broken pipe" for a denied certificate.
            await self.diagnosed.wait()
            if self.is_denied:
                raise TemporalDenied(DENIED).of_something_sent() from error
            raise

    async def start_or_unreachable(self, start: Callable[[], Awaitable[Answer]]) -> Answer:
        if self.unreachable.is_set():
            raise TemporalUnreachable(UNREACHABLE)
        starting = asyncio.ensure_future(self.run_start(start))
        unreachable = asyncio.ensure_future(self.unreachable.wait())
        try:
            await asyncio.wait({starting, unreachable}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                return starting.result()
            raise TemporalUnreachable(UNREACHABLE)
        finally:
            starting.cancel()
            unreachable.cancel()

    def doubt(self) -> None:
        """Start to probe, unless a probe is running."""
        if self.probing is None:
            self.diagnosed.clear()
            # In its own context: the outcome does not belong to the request that raised the doubt.
            self.probing = asyncio.create_task(self.probe_until_answered(), context=Context())

    async def probe_until_answered(self) -> None:
        try:
            unanswered, explained = 0, None
            while (error := await self.probe()) is not None:
                unanswered = 0 if connection.is_denial(error) else unanswered + 1
                if 0 < unanswered < UNANSWERED_PROBES:
                    await asyncio.sleep(PROBE_EVERY_S)
                    continue
                if isinstance(error, TimeoutError):
                    # The diagnosis of a timeout takes long, and callers must not wait for it.
                    self.open()
                if str(error) != explained:
                    explained = str(error)
                    self.report(await connection.explain(self.client, error, limit_s=EXPLAIN_S))
                await asyncio.sleep(PROBE_EVERY_S)
        finally:
            self.probing = None
            self.diagnosed.set()
        if self.fault is not None:
            log.info("temporal is available again")
        self.fault = None
        self.close()

    def report(self, fault: connection.ConnectionFault) -> None:
        """Note the fault. Log it once per cause: not for every request, nor for another message of the same cause."""
        denied = isinstance(fault, TemporalDenied)
        if self.fault is None or self.fault.hint != fault.hint:
            event = "temporal denied access" if denied else "temporal is unreachable"
            log.warning(event, error=fault.message, hint=fault.hint)
        self.fault = fault
        self.diagnosed.set()
        if denied:
            self.close()
        else:
            self.open()

    def open(self) -> None:
        """Fail starts from now on: Temporal is unreachable."""
        if not self.unreachable.is_set():
            self.fault = self.fault or TemporalUnreachable("Temporal does not answer")
            self.diagnosed.set()
            self.reachable.clear()
            self.unreachable.set()
            self.changed()

    def close(self) -> None:
        """Let starts through again."""
        if self.unreachable.is_set():
            self.unreachable.clear()
            self.reachable.set()
            self.changed()

    async def probe(self) -> Exception | None:
        """The error of a probe; None for any answer but a denial."""
        try:
            await connection.probe(self.client, PROBE_TIMEOUT)
        except RPCError as error:
            return error if is_ambiguous(error) or connection.is_denial(error) else None
        except (RuntimeError, TimeoutError) as error:
            return error
        return None

    async def stop(self) -> None:
        if self.probing is not None:
            self.probing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.probing
