"""Whether the database is unreachable: found out by asking it, so that no request waits for what will not come.

What a lookup of keys meets is its own affair: a lock, a slow disk, many others. So a lookup that is slow or fails
raises a doubt, and only probes that are not let in say that the database is unreachable. Each has a connection of its
own: nobody brings that about by filling the pools. A database that answers, whatever it answers, is reachable: keys can
be revoked in it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextvars import Context
from typing import Any

import structlog

from trenova.errors import TrenovaError, Unavailable
from trenova.runtime.connection.own_time import own_timeout
from trenova.store.connection_errors import Reason, reason_of

log = structlog.get_logger()

# A lookup takes a millisecond.
DOUBT_AFTER_S = 2.0
PROBE_TIMEOUT_S = 3.0
# A restart that is over within a second is none of anybody's business.
FAILED_PROBES = 2
PROBE_EVERY_S = 1.0
# Why a database refuses us that is there. One without a free connection keeps some for its operators, and serves those
# that it has: keys can be revoked, and looked up.
REACHABLE_REASONS = frozenset({"other", "too_many_connections"})
# How long a cancelled task may take to end before it is cancelled again.
CANCEL_AGAIN_S = 0.1
NO_ANSWER = f"the database did not answer within {PROBE_TIMEOUT_S:g} seconds"


class DatabaseWatch:
    """`reason` says why nobody reaches the database; None: it answers, as far as is known.

    `lost` is called whenever it becomes unreachable.
    """

    def __init__(self, probe: Callable[[], Awaitable[None]], lost: Callable[[], None]) -> None:
        self.probe = probe
        self.lost = lost
        self.reason: Reason | None = None
        self.refusal_text = ""
        """In the database's own words: for the log."""
        self.settled = asyncio.Event()
        """No doubt is open: the database answers, or it is known that it does not."""
        self.settled.set()
        self.asking: asyncio.Task[None] | None = None
        self.probes: set[asyncio.Task[None]] = set()
        """Those that have not ended. One that is dropped ends late."""

    @property
    def is_unreachable(self) -> bool:
        return self.reason is not None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """End with the block."""
        try:
            yield
        finally:
            if self.asking is not None:
                self.asking.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self.asking
            await cancel_all(self.probes)

    def doubt(self) -> None:
        if self.asking is None:
            self.settled.clear()
            # In a context of its own: what it finds is not about the request that raised the doubt.
            self.asking = asyncio.create_task(self.ask(), context=Context())

    async def settle(self) -> None:
        """Doubt, and return when it is known whether the database answers."""
        self.doubt()
        await self.settled.wait()

    async def ask(self) -> None:
        """Ask until there is an answer. However this ends, keys are looked up again afterwards."""
        unanswered = 0
        try:
            while (refusal := await self.refusal()) is not None:
                unanswered += 1
                if unanswered >= FAILED_PROBES:
                    self.believe(refusal)
                await asyncio.sleep(PROBE_EVERY_S)
            if self.reason is not None:
                log.info("database is reachable again")
        except Exception:  # a bug: the next doubt begins anew
            log.exception("probing the database failed")
        finally:
            self.asking = self.reason = None
            self.settled.set()

    def believe(self, refusal: str) -> None:
        known, self.reason, self.refusal_text = self.reason, reason_of(refusal), refusal
        self.settled.set()
        if known is None:
            log.warning("database is unreachable", error=refusal, hint=self.reason.next_step)
            self.lost()

    async def refusal(self) -> str | None:
        """Why a probe was not let in; None when it had any answer."""
        for late in self.probes:
            late.cancel()
        probe = asyncio.create_task(self.probe_once())
        self.probes.add(probe)
        probe.add_done_callback(self.ended)
        try:
            # Shielded: nobody waits until a probe that is given up has ended.
            async with own_timeout(PROBE_TIMEOUT_S):
                await asyncio.shield(probe)
        except TimeoutError:
            return NO_ANSWER
        except Unavailable as error:
            return None if reason_of(error.message).name in REACHABLE_REASONS else error.message
        except TrenovaError:
            return None
        finally:
            probe.cancel()
        return None

    async def probe_once(self) -> None:
        await self.probe()

    def ended(self, probe: asyncio.Task[None]) -> None:
        self.probes.discard(probe)
        if not probe.cancelled():
            probe.exception()  # or asyncio says that nobody has looked at it


async def cancel_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel them, and return when they have ended.

    Cancelled once, psycopg asks the server to cancel, and waits up to ten seconds for a silent one; cancelled again, it
    closes the connection.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)
