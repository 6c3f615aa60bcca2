"""Metrics whose numbers Temporal keeps: it is asked seldom, however often somebody scrapes."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog
from temporalio.client import Client
from temporalio.service import RPCError

log = structlog.get_logger()

TIMEOUT_S = 5


class ThrottledRefresh:
    """Lets `measure` ask Temporal at most once in `every_s` seconds."""

    def __init__(self, measure: Callable[[Client], Awaitable[object]], client: Client, *, every_s: float) -> None:
        self.measure = measure
        self.client = client
        self.every_s = every_s
        self.asked_at = -every_s
        self.lock = asyncio.Lock()

    async def refresh(self) -> None:
        """Bring the metrics up to date. While Temporal is away they stay as they are."""
        async with self.lock:
            if time.monotonic() - self.asked_at < self.every_s:
                return
            self.asked_at = time.monotonic()
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    await self.measure(self.client)
            except (RPCError, RuntimeError, TimeoutError) as error:
                log.warning("metrics are old", asked=self.measure.__name__, error=type(error).__name__)
            except Exception:  # a bug here, or what others have left in Temporal, must not take the page away
                log.exception("metrics are old", asked=self.measure.__name__)
