"""Looks up the API keys of many requests in one query, and in memory only while the database is unreachable."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from trenova.api.database_watch import DOUBT_AFTER_S, DatabaseWatch, cancel_all
from trenova.api.remembered_keys import RememberedKey, RememberedKeys
from trenova.errors import Unavailable
from trenova.store import Store
from trenova.store.api_keys import ApiKey, PresentedKey, parse_key

# A connection can die silently, and every request behind it would wait with it.
ANSWER_LIMIT_S = 10
SILENT = "the database did not answer within {} seconds"


class DatabaseSilent(Unavailable):
    """A lookup had no answer in time."""


class DatabaseLost(Exception):
    """The database has become unreachable: the lookup is given up."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """A waiting request."""

    key: PresentedKey
    result: asyncio.Future[ApiKey | None]

    def fail(self, error: Exception) -> None:
        if not self.result.done():
            self.result.set_exception(error)


class KeyLookups:
    """Requests that arrive while a query runs wait for the next one, which looks all of them up together.

    A query starts after each of its requests has arrived, so a key that was revoked before is never accepted. While the
    database is unreachable only the watch queries it, and no request waits.
    """

    def __init__(self, store: Store, *, remember_s: float) -> None:
        self.keys = store.api_keys
        self.memory = RememberedKeys(remember_s)
        self.watch = DatabaseWatch(store.knock, self.give_up)
        self.waiting: list[Lookup] = []
        self.in_query: list[Lookup] = []
        self.task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Fail what waits and end all tasks when the block ends: the store may then be closed."""
        async with self.watch.running():
            try:
                yield
            finally:
                self.fail_all(Unavailable("this process is stopping"))
                await cancel_all([self.task] if self.task else [])

    async def find(self, key: str | PresentedKey, *, from_memory: bool = False) -> ApiKey | RememberedKey | None:
        """The valid key with this text, or one presented before; None if it is malformed, unknown or revoked.

        While the database is unreachable a remembered key is returned, if `from_memory`. Raises Unavailable if neither
        can be found out.
        """
        presented = key if isinstance(key, PresentedKey) else parse_key(key)
        if not self.watch.is_unreachable:
            try:
                return await self.look_up(presented)
            except DatabaseLost:
                pass
        if from_memory and (known := self.memory.find(presented)) is not None:
            return known
        reason = self.watch.reason
        raise Unavailable(
            f"this API key cannot be looked up: {self.watch.error_text}", hint=reason.next_step if reason else None
        )

    async def look_up(self, key: PresentedKey) -> ApiKey | None:
        result: asyncio.Future[ApiKey | None] = asyncio.get_running_loop().create_future()
        self.waiting.append(Lookup(key, result))
        if self.task is None:
            self.task = asyncio.create_task(self.run())
        return await result

    async def run(self) -> None:
        try:
            while self.waiting:
                self.in_query, self.waiting = self.waiting, []
                await self.answer(self.in_query)
        finally:
            # Cancelled, and the database was reachable again before this had ended: others wait already.
            self.task = asyncio.create_task(self.run()) if self.waiting else None

    async def answer(self, lookups: Sequence[Lookup]) -> None:
        try:
            keys = await self.query_twice([each.key for each in lookups])
        except Exception as error:  # noqa: BLE001 - each request that waits gets it
            for each in lookups:
                each.fail(error)
            return
        for each, key in zip(lookups, keys, strict=True):
            if not each.result.done():
                each.result.set_result(key)

    async def query_twice(self, keys: Sequence[PresentedKey]) -> Sequence[ApiKey | None]:
        """Query again if the database turns out to be reachable: a connection may break, or the server restart."""
        try:
            return await self.query(keys)
        except DatabaseSilent:
            if self.watch.is_known.is_set():
                raise
        except Unavailable:
            pass
        # `give_up` ends this if the database turns out to be unreachable.
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                await self.watch.find_out()
        except TimeoutError:
            raise DatabaseSilent(SILENT.format(ANSWER_LIMIT_S)) from None
        return await self.query(keys)

    async def query(self, keys: Sequence[PresentedKey]) -> Sequence[ApiKey | None]:
        began = self.memory.clock()
        doubt = asyncio.get_running_loop().call_later(DOUBT_AFTER_S, self.watch.doubt)
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                answers = await self.keys.find_all(keys)
        except TimeoutError:
            raise DatabaseSilent(SILENT.format(ANSWER_LIMIT_S)) from None
        finally:
            doubt.cancel()
        self.memory.update(keys, answers, began)
        return answers

    def give_up(self) -> None:
        """Fail every request that waits: the database is unreachable."""
        self.fail_all(DatabaseLost())
        if self.task is not None:
            self.task.cancel()

    def fail_all(self, error: Exception) -> None:
        for each in (*self.in_query, *self.waiting):
            each.fail(error)
        self.waiting = []
