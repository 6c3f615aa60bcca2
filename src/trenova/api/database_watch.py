"""Finds out whether the database is unreachable by probing it, so that no request waits for a timeout.

A slow or failing lookup of keys can have its own cause: a lock, a slow disk, many other lookups. So it only raises a
doubt, and only failed probes show that the database is unreachable. Each probe has a connection of its own, so that
full pools do not count. A database that answers anything is reachable: keys can be revoked in it.
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
# So many in a row are an outage: a restart that takes less than a second is not.
FAILED_PROBES = 2
PROBE_EVERY_S = 1.0
# Errors of a database that is reachable. One without a free connection reserves some for its operators and serves
# those that are open: keys can be revoked and looked up.
REACHABLE_REASONS = frozenset({"other", "too_many_connections"})
# How long a cancelled task may take to end before it is cancelled again.
CANCEL_AGAIN_S = 0.1
NO_ANSWER = f"the database did not answer within {PROBE_TIMEOUT_S:g} seconds"


class DatabaseWatch:
    """`reason` says why the database is unreachable; None: it answers, as far as is known.

    `on_lost` is called whenever it becomes unreachable.
    """

    def __init__(self, probe: Callable[[], Awaitable[None]], on_lost: Callable[[], None]) -> None:
        self.probe = probe
        self.on_lost = on_lost
        self.reason: Reason | None = None
        self.error_text = ""
        """The database's own words, for the log."""
        self.is_known = asyncio.Event()
        """Set while no doubt is open: it is known whether the database answers."""
        self.is_known.set()
        self.probing: asyncio.Task[None] | None = None
        self.probes: set[asyncio.Task[None]] = set()
        """Those that are still running. A cancelled one takes a while to end."""

    @property
    def is_unreachable(self) -> bool:
        return self.reason is not None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Cancel all probes when the block ends."""
        try:
            yield
        finally:
            if self.probing is not None:
                self.probing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self.probing
            await cancel_all(self.probes)

    def doubt(self) -> None:
        """Start probing, unless that is under way."""
        if self.probing is None:
            self.is_known.clear()
            # In a fresh context: its log lines are not about the request that raised the doubt.
            self.probing = asyncio.create_task(self.probe_until_reachable(), context=Context())

    async def find_out(self) -> None:
        """Start probing, and return once it is known whether the database answers."""
        self.doubt()
        await self.is_known.wait()

    async def probe_until_reachable(self) -> None:
        """Probe until there is an answer. However this ends, keys are looked up again afterwards."""
        failed = 0
        try:
            while (error := await self.probe_error()) is not None:
                failed += 1
                if failed >= FAILED_PROBES:
                    self.mark_unreachable(error)
                await asyncio.sleep(PROBE_EVERY_S)
            if self.reason is not None:
                log.info("database is available again")
        except Exception:  # a bug: the next doubt begins anew
            log.exception("probing the database failed")
        finally:
            self.probing = self.reason = None
            self.is_known.set()

    def mark_unreachable(self, error: str) -> None:
        known, self.reason, self.error_text = self.reason, reason_of(error), error
        self.is_known.set()
        if known is None:
            outage = Unavailable(error, hint=self.reason.next_step)
            event = "database is unavailable" if self.reason.is_of_server else "database is unreachable"
            log.warning(event, error=outage.message, hint=outage.hint)
            self.on_lost()

    async def probe_error(self) -> str | None:
        """Why a probe found the database unreachable; None when it got any answer."""
        for late in self.probes:
            late.cancel()
        probe = asyncio.create_task(self.probe_once())
        self.probes.add(probe)
        probe.add_done_callback(self.discard_probe)
        try:
            # Shielded: nothing waits for a cancelled probe to end.
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

    def discard_probe(self, probe: asyncio.Task[None]) -> None:
        self.probes.discard(probe)
        if not probe.cancelled():
            probe.exception()  # or asyncio logs that it was never retrieved


async def cancel_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel the tasks, and return when they have ended.

    Cancelled once, psycopg asks the server to cancel, and waits up to ten seconds for a silent one; cancelled again, it
    closes the connection.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)
