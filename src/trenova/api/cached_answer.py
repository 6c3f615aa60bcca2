"""Caches an answer that many requests need, so that one of them finds it out for all."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class CachedAnswer(Generic[Answer]):
    """Calls `find_out` at most once in `max_age_s` seconds, and never twice at the same time."""

    def __init__(self, find_out: Callable[[], Awaitable[Answer]], *, max_age_s: float) -> None:
        self.find_out = find_out
        self.max_age_s = max_age_s
        self.cached: tuple[float, Answer] | None = None
        self.lock = asyncio.Lock()

    async def get(self) -> Answer:
        async with self.lock:
            if self.cached is None or time.monotonic() - self.cached[0] >= self.max_age_s:
                answer = await self.find_out()
                self.cached = (time.monotonic(), answer)
            return self.cached[1]
