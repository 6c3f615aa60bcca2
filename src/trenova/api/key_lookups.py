"""Looking up the keys of many requests in one round trip, without ever answering from memory."""

import asyncio
from collections.abc import Sequence

from trenova.errors import Unavailable
from trenova.store.api_keys import ApiKey, ApiKeys

# A connection can die without a word. Every request behind it would wait with it.
ANSWER_LIMIT_S = 10


class KeyLookups:
    """Requests that come while a query runs wait for the next one, which looks all of them up together.

    A query begins after each of its requests has come, so a key that was revoked before is never let in.
    """

    def __init__(self, keys: ApiKeys) -> None:
        self.keys = keys
        self.waiting: list[tuple[str, asyncio.Future[ApiKey | None]]] = []
        self.running: asyncio.Task[None] | None = None

    async def find(self, key: str) -> ApiKey | None:
        """The good key with this text; None when it is malformed, unknown or revoked."""
        found: asyncio.Future[ApiKey | None] = asyncio.get_running_loop().create_future()
        self.waiting.append((key, found))
        if self.running is None:
            self.running = asyncio.create_task(self.run())
        return await found

    async def run(self) -> None:
        while self.waiting:
            asked, self.waiting = self.waiting, []
            try:
                answers = await self.answers([key for key, _ in asked])
            except Exception as error:  # noqa: BLE001 - each request that waits gets it
                for _, found in asked:
                    if not found.done():
                        found.set_exception(error)
                continue
            for (_, found), answer in zip(asked, answers, strict=True):
                if not found.done():
                    found.set_result(answer)
        self.running = None

    async def answers(self, keys: Sequence[str]) -> Sequence[ApiKey | None]:
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                return await self.keys.find_all(keys)
        except TimeoutError:
            raise Unavailable(f"the database did not answer within {ANSWER_LIMIT_S} seconds") from None
