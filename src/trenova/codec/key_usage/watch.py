"""Whether this process can open what open workflows hold. One that cannot be opened waits without any other sign.

An alarm, and no part of readiness: whoever has access to the namespace can start a workflow that nobody can open, and
must not take a single process out of service by that. May import: inflight.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import structlog
from prometheus_client import Gauge
from temporalio.client import Client
from temporalio.service import RPCError

from trenova.codec.key_usage.open_workflows import examine_open_workflows

log = structlog.get_logger()

KEYS_WRONG = Gauge("trenova_keys_wrong", "1 when an open workflow holds what this process cannot open")

TIMEOUT_S = 5
CHECK_AGAIN_S = 10.0
WATCH_EVERY_S = 30.0
MAX_WORKFLOWS = 10
# Temporal lists the latest first, and under load one that stands still is among those for a moment only.
STUCK_AFTER = timedelta(minutes=1)


class KeyWatch:
    """Tries the keys on open workflows, at most once in CHECK_AGAIN_S however often it is asked."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.result = "ok"
        self.checked_at = -CHECK_AGAIN_S
        self.lock = asyncio.Lock()

    async def check(self) -> str:
        """`ok`, or why workflows wait. Sets the metric."""
        async with self.lock:
            if time.monotonic() - self.checked_at >= CHECK_AGAIN_S:
                self.note(await self.ask())
                self.checked_at = time.monotonic()
            return self.result

    def note(self, result: str) -> None:
        if result != self.result:
            if result == "ok":
                log.info("open workflows can be read again")
            else:
                log.error("open workflows cannot be read", reason=result, hint="`trenova doctor` names them")
        self.result = result
        KEYS_WRONG.set(result != "ok")

    async def ask(self) -> str:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                latest = await examine_open_workflows(self.client, most=MAX_WORKFLOWS)
                before = datetime.now(UTC) - STUCK_AFTER
                older = await examine_open_workflows(self.client, most=MAX_WORKFLOWS, started_before=before)
        except (RPCError, RuntimeError, TimeoutError):
            return self.result  # a Temporal that is away is reported as such; of the keys nothing new is known
        reasons = sorted({*latest.troubles, *older.troubles})
        return "open workflows wait: " + "; ".join(reasons) if reasons else "ok"

    async def watch(self) -> None:
        """Look again and again until cancelled, for a process that nobody asks."""
        while True:
            await self.check()
            await asyncio.sleep(WATCH_EVERY_S)
