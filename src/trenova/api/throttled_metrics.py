"""Limits how often metrics are read from Temporal, however often the metrics page is scraped."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog
from temporalio.client import Client
from temporalio.service import RPCError

log = structlog.get_logger()

TIMEOUT_S = 5


class ThrottledRefresh:
    """Calls `measure`, which queries Temporal, at most once in `every_s` seconds."""

    def __init__(self, measure: Callable[[Client], Awaitable[object]], client: Client, *, every_s: float) -> None:
        self.measure = measure
        self.client = client
        self.every_s = every_s
        self.measured_at = -every_s
        self.lock = asyncio.Lock()

    async def refresh(self) -> None:
        """Update the metrics. While Temporal is unreachable they keep their last values."""
        async with self.lock:
            if time.monotonic() - self.measured_at < self.every_s:
                return
            self.measured_at = time.monotonic()
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    await self.measure(self.client)
            except (RPCError, RuntimeError, TimeoutError) as error:
                log.warning("metrics are out of date", asked=self.measure.__name__, error=type(error).__name__)
            except Exception:  # a bug, or unexpected data in Temporal, must not break the metrics page
                log.exception("metrics are out of date", asked=self.measure.__name__)
