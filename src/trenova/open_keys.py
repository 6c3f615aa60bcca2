"""Whether the keys here open what open workflows hold. A wrong key stops them without any other sign.

May import: inflight.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta

from temporalio.client import Client
from temporalio.service import RPCError

from trenova.inflight import open_work

TIMEOUT_S = 5
CHECK_AGAIN_S = 10.0
MOST_LOOKED_AT = 10
# Temporal lists the latest first, and under load one that stands still is among those for a moment only.
STANDS_STILL = timedelta(minutes=1)


class OpenKeys:
    """Tries the keys on open workflows, at most once in CHECK_AGAIN_S however often it is asked."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.result = "ok"
        self.checked_at = -CHECK_AGAIN_S
        self.lock = asyncio.Lock()

    async def check(self) -> str:
        async with self.lock:
            if time.monotonic() - self.checked_at >= CHECK_AGAIN_S:
                self.result = await self.ask()
                self.checked_at = time.monotonic()
            return self.result

    async def ask(self) -> str:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                latest = await open_work(self.client, most=MOST_LOOKED_AT)
                before = datetime.now(UTC) - STANDS_STILL
                older = await open_work(self.client, most=MOST_LOOKED_AT, started_before=before)
        except (RPCError, RuntimeError, TimeoutError):
            return self.result  # a Temporal that is away is reported as such; of the keys nothing new is known
        unreadable = {**latest.unreadable, **older.unreadable}
        reasons = [reason for _, reason in sorted(unreadable.items())]
        return "open workflows wait: " + "; ".join(reasons) if reasons else "ok"
