"""Looking up the keys of many requests in one round trip. From memory only while nobody reaches the database."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from trenova.api.database_watch import DOUBT_AFTER_S, DatabaseWatch, cancel_all
from trenova.api.remembered_keys import RememberedKey, RememberedKeys
from trenova.errors import Unavailable
from trenova.store import Store
from trenova.store.api_keys import ApiKey, PresentedKey, parse_key

# A connection can die without a word. Every request behind it would wait with it.
ANSWER_LIMIT_S = 10
SILENT = "the database did not answer within {} seconds"


class DatabaseSilent(Unavailable):
    """A lookup had no answer in time."""


class DatabaseLost(Exception):
    """Nobody reaches the database any more: the lookup is given up."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """A request that waits."""

    key: PresentedKey
    found: asyncio.Future[ApiKey | None]

    def fail(self, error: Exception) -> None:
        if not self.found.done():
            self.found.set_exception(error)


class KeyLookups:
    """Requests that come while a query runs wait for the next one, which looks all of them up together.

    A query begins after each of its requests has come, so a key that was revoked before is never let in. While the
    database is unreachable nobody asks it but the watch, and nobody waits.
    """

    def __init__(self, store: Store, *, remember_s: float) -> None:
        self.keys = store.api_keys
        self.memory = RememberedKeys(remember_s)
        self.watch = DatabaseWatch(store.knock, self.give_up)
        self.waiting: list[Lookup] = []
        self.asked: list[Lookup] = []
        self.running: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Nothing of it runs on after the block: the store may close."""
        async with self.watch.running():
            try:
                yield
            finally:
                self.fail_all(Unavailable("this process stops"))
                await cancel_all([self.running] if self.running else [])

    async def find(self, key: str | PresentedKey, *, from_memory: bool = False) -> ApiKey | RememberedKey | None:
        """The good key with this text, or once presented; None when it is malformed, unknown or revoked.

        Raises Unavailable when that cannot be found out, nor `from_memory` where that will do.
        """
        asked = key if isinstance(key, PresentedKey) else parse_key(key)
        if not self.watch.is_unreachable:
            try:
                return await self.looked_up(asked)
            except DatabaseLost:
                pass
        if from_memory and (known := self.memory.find(asked)) is not None:
            return known
        reason = self.watch.reason
        raise Unavailable(
            f"this API key cannot be looked up: {self.watch.refusal_text}", hint=reason.next_step if reason else None
        )

    async def looked_up(self, key: PresentedKey) -> ApiKey | None:
        found: asyncio.Future[ApiKey | None] = asyncio.get_running_loop().create_future()
        self.waiting.append(Lookup(key, found))
        if self.running is None:
            self.running = asyncio.create_task(self.run())
        return await found

    async def run(self) -> None:
        try:
            while self.waiting:
                self.asked, self.waiting = self.waiting, []
                await self.answer(self.asked)
        finally:
            # Given up, and the database came back before this had ended: others wait already.
            self.running = asyncio.create_task(self.run()) if self.waiting else None

    async def answer(self, asked: Sequence[Lookup]) -> None:
        try:
            answers = await self.answers([each.key for each in asked])
        except Exception as error:  # noqa: BLE001 - each request that waits gets it
            for each in asked:
                each.fail(error)
            return
        for each, answer in zip(asked, answers, strict=True):
            if not each.found.done():
                each.found.set_result(answer)

    async def answers(self, keys: Sequence[PresentedKey]) -> Sequence[ApiKey | None]:
        """Asks a second time when the database lets others in: a connection may break, or the server restart."""
        try:
            return await self.ask(keys)
        except DatabaseSilent:
            if self.watch.settled.is_set():
                raise
        except Unavailable:
            pass
        # `give_up` ends this where the database turns out to be unreachable.
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                await self.watch.settle()
        except TimeoutError:
            raise DatabaseSilent(SILENT.format(ANSWER_LIMIT_S)) from None
        return await self.ask(keys)

    async def ask(self, keys: Sequence[PresentedKey]) -> Sequence[ApiKey | None]:
        began = self.memory.clock()
        doubt = asyncio.get_running_loop().call_later(DOUBT_AFTER_S, self.watch.doubt)
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                answers = await self.keys.find_all(keys)
        except TimeoutError:
            raise DatabaseSilent(SILENT.format(ANSWER_LIMIT_S)) from None
        finally:
            doubt.cancel()
        self.memory.take(keys, answers, began)
        return answers

    def give_up(self) -> None:
        """The database is unreachable: whoever waits for it waits no longer."""
        self.fail_all(DatabaseLost())
        if self.running is not None:
            self.running.cancel()

    def fail_all(self, error: Exception) -> None:
        for each in (*self.asked, *self.waiting):
            each.fail(error)
        self.waiting = []
