"""Waiting for what another process does. Few checks, because each takes the processor from that process."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

LIMIT_S = 240
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0
PART_OF_THE_WAIT = 1 / 8


def nothing() -> object:
    return ""


def pauses(details: Callable[[], object] = nothing) -> Iterator[float]:
    """The seconds to sleep after each check: a part of the time waited so far. Fails with the details in the end."""
    begin = time.monotonic()
    while (waited := time.monotonic() - begin) < LIMIT_S:
        yield min(max(FIRST_PAUSE_S, waited * PART_OF_THE_WAIT), LONGEST_PAUSE_S)
    raise AssertionError(details())


def until(condition: Callable[[], object], details: Callable[[], object] = nothing) -> None:
    """Wait for a condition; if it does not become true, fail with the details."""
    for pause in pauses(details):
        if condition():
            return
        time.sleep(pause)


async def becomes(condition: Callable[[], Awaitable[object]], details: Callable[[], object] = nothing) -> None:
    """The same for a condition that is awaited."""
    for pause in pauses(details):
        if await condition():
            return
        await asyncio.sleep(pause)
