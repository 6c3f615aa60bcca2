"""Looking up keys in a fake database that misbehaves."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from conftest import GENEROUS_S
from trenova.api import database_watch, key_lookups
from trenova.api.database_watch import DatabaseWatch
from trenova.api.key_lookups import KeyLookups
from trenova.errors import Unavailable
from trenova.store import Store
from trenova.store.api_keys import ApiKey, PresentedKey

KEY = ApiKey(
    id="000000000001",
    name="n",
    tenant="acme",
    role="writer",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    revoked_at=None,
)
TEXT = f"trn_{KEY.id}_secret"
FULL = Unavailable('the database is unavailable: connection failed: FATAL: too many connections for role "x"')


class Database:
    """A store in which every key is valid. Each lookup first runs `lookup`, and each probe `probe`."""

    def __init__(self) -> None:
        self.lookup: Callable[[], Awaitable[object]] = at_once
        self.probe: Callable[[], Awaitable[object]] = at_once
        self.under_way = 0

    @property
    def api_keys(self) -> "Database":
        return self

    async def find_all(self, asked: Sequence[PresentedKey]) -> Sequence[ApiKey | None]:
        self.under_way += 1
        try:
            await self.lookup()
        finally:
            self.under_way -= 1
        return [KEY for _ in asked]

    async def knock(self) -> None:
        await self.probe()

    def lookups(self) -> KeyLookups:
        return KeyLookups(cast("Store", self), remember_s=3600)


async def at_once() -> None:
    pass


async def hang() -> None:
    """Like psycopg: continues when cancelled once, while it asks the silent server to cancel, but not twice."""
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.Event().wait()


async def raise_full() -> None:
    raise FULL


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_lookups, "DOUBT_AFTER_S", 0.05)
    monkeypatch.setattr(database_watch, "PROBE_TIMEOUT_S", 0.1)
    monkeypatch.setattr(database_watch, "PROBE_EVERY_S", 0)


async def test_a_database_that_accepts_connections_and_answers_no_query_is_unreachable() -> None:
    database = Database()
    lookups = database.lookups()
    async with asyncio.timeout(GENEROUS_S):
        async with lookups.running():
            assert await lookups.find(TEXT) == KEY
            database.lookup = database.probe = hang
            found = await asyncio.gather(*(lookups.find(TEXT, from_memory=True) for _ in range(10)))
            assert [each and each.id for each in found] == [KEY.id] * 10
            with pytest.raises(Unavailable):
                await lookups.find(TEXT)
        assert not database.under_way


async def test_a_request_does_not_wait_for_a_watch_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_lookups, "ANSWER_LIMIT_S", 0.1)
    monkeypatch.setattr(DatabaseWatch, "probe_error", lambda _: hang())
    database = Database()
    database.lookup = raise_full
    lookups = database.lookups()
    async with asyncio.timeout(GENEROUS_S):
        with pytest.raises(Unavailable, match="did not answer"):
            await lookups.find(TEXT)
        asking: Any = lookups.watch.probing
        await database_watch.cancel_all([asking])


async def test_without_a_free_connection_the_open_one_still_looks_keys_up() -> None:
    database = Database()
    database.probe = raise_full
    lookups = database.lookups()
    async with lookups.running(), asyncio.timeout(GENEROUS_S):
        database.lookup = lambda: asyncio.sleep(0.5)
        assert await lookups.find(TEXT) == KEY
        assert not lookups.watch.is_unreachable
        database.lookup = raise_full
        with pytest.raises(Unavailable):
            await lookups.find(TEXT, from_memory=True)


async def test_requests_that_wait_at_the_end_get_an_error_and_no_task_is_left() -> None:
    database = Database()
    lookups = database.lookups()
    async with asyncio.timeout(GENEROUS_S):
        async with lookups.running():
            database.lookup = hang
            waiting = [asyncio.create_task(lookups.find(TEXT)) for _ in range(2)]
            while not database.under_way:  # noqa: ASYNC110 - it has no event for this
                await asyncio.sleep(0)
        assert not database.under_way
        assert lookups.task is None
        assert {type(each) for each in await asyncio.gather(*waiting, return_exceptions=True)} == {Unavailable}
