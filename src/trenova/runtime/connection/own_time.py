"""Timeouts that count only the time in which this process itself could run.

On a machine that stalls, a healthy part answers late, and our own timers fire late, too. Such a pause must not count
as a timeout of the part.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

TICK_S = 0.1


async def sleep_own_time(seconds: float) -> None:
    """Sleep in short steps: each counts with its planned length, however long it really took."""
    for _ in range(round(seconds / TICK_S)):
        await asyncio.sleep(TICK_S)


@asynccontextmanager
async def own_timeout(seconds: float) -> AsyncIterator[None]:
    """Like asyncio.timeout, but counting our own time only. Raises TimeoutError."""

    async def expire() -> None:
        await sleep_own_time(seconds)
        limit.reschedule(asyncio.get_running_loop().time())

    async with asyncio.timeout(None) as limit:
        ticking = asyncio.create_task(expire())
        try:
            yield
        finally:
            ticking.cancel()
