"""Waiting for what another process does. Few checks, because each takes the processor from that process."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

LIMIT_S = 240
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 4.0
PART_OF_THE_WAIT = 1 / 8

Value = TypeVar("Value")


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


async def eventually(
    read: Callable[[], Awaitable[Value]],
    is_good: Callable[[Value], object],
    details: Callable[[], object] = nothing,
) -> Value:
    """The first value that is good; if there is none in time, fail with the details or the last value."""
    value = await read()
    for pause in pauses(lambda: details() or value):  # noqa: B023 - the last value
        if is_good(value):
            return value
        await asyncio.sleep(pause)
        value = await read()
    raise AssertionError("unreachable: the last pause raises")


async def becomes(condition: Callable[[], Awaitable[object]], details: Callable[[], object] = nothing) -> None:
    """Wait for a condition that is awaited; if it does not become true, fail with the details."""
    await eventually(condition, bool, details)
