"""An answer that many ask for: one of them finds it out, the others are given the same."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class CachedAnswer(Generic[Answer]):
    """Asks at most once in `keep_s` seconds, and never twice at once."""

    def __init__(self, ask: Callable[[], Awaitable[Answer]], *, keep_s: float) -> None:
        self.ask = ask
        self.keep_s = keep_s
        self.kept: tuple[float, Answer] | None = None
        self.lock = asyncio.Lock()

    async def get(self) -> Answer:
        async with self.lock:
            if self.kept is None or time.monotonic() - self.kept[0] >= self.keep_s:
                answer = await self.ask()
                self.kept = (time.monotonic(), answer)
            return self.kept[1]
