"""Work that would hold up the event loop, in a thread. May import: nothing of ours."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


async def run_off_loop(work: Callable[[], Result], *, large: bool) -> Result:
    """What `work` returns. Large work runs in a thread, so that nothing waits for it; small work costs no switch."""
    return await asyncio.to_thread(work) if large else work()
