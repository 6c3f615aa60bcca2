"""How long to wait for a part: by the time in which this program itself ran.

On a machine that stalls, the answer of a healthy part comes late, and so do our own timers. Seconds that nobody had are
not held against the part.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

TICK_S = 0.1


async def own_time(seconds: float) -> None:
    """Sleep in short steps: each counts as long as it was meant to be, however long it took."""
    for _ in range(round(seconds / TICK_S)):  # each step is one wait for the loop
        await asyncio.sleep(TICK_S)


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """As asyncio.timeout, by our own time. Raises TimeoutError."""

    async def expire() -> None:
        await own_time(seconds)
        limit.reschedule(asyncio.get_running_loop().time())

    async with asyncio.timeout(None) as limit:
        ticking = asyncio.create_task(expire())
        try:
            yield
        finally:
            ticking.cancel()
