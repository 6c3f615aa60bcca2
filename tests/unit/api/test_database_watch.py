"""When a database is unreachable: what the probes hear, and how often."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from conftest import GENEROUS_S
from trenova.api import database_watch
from trenova.api.database_watch import DatabaseWatch
from trenova.errors import DatabaseFault, StatementTimeout, Unavailable

REFUSED = "the database is away: connection failed: connection to server at 10.0.0.1, port 5432 failed: "
CLOSED = Unavailable(f"{REFUSED}Connection refused")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_watch, "PROBE_EVERY_S", 0)


class Database:
    """Answers probes with these errors, one after the other, and then well."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.lost = 0

    async def probe(self) -> None:
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.pop(0)

    def give_up(self) -> None:
        self.lost += 1


@asynccontextmanager
async def watching(database: Database) -> AsyncIterator[DatabaseWatch]:
    watch = DatabaseWatch(database.probe, database.give_up)
    async with watch.running(), asyncio.timeout(GENEROUS_S):
        yield watch


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - nobody is told when a watch ends
        await asyncio.sleep(0)


async def test_one_probe_that_is_refused_is_no_outage() -> None:
    database = Database(CLOSED)
    async with watching(database) as watch:
        await watch.settle()
        assert not watch.is_unreachable
        assert not database.lost


async def test_two_are_and_an_answer_ends_it() -> None:
    database = Database(*[CLOSED] * 10)
    async with watching(database) as watch:
        await watch.settle()
        assert watch.reason is not None
        assert watch.reason.name == "unreachable"
        watch.doubt()
        await until(lambda: not watch.is_unreachable)
        assert database.lost == 1
        assert not database.errors
        await watch.settle()
        assert not watch.is_unreachable


@pytest.mark.parametrize(
    "answer",
    [
        Unavailable(f'{REFUSED}FATAL: password authentication failed for user "x"'),
        Unavailable(f'{REFUSED}FATAL: no pg_hba.conf entry for host "10.0.0.2"'),
        # A name with two addresses: nobody at the first, an answer at the second.
        Unavailable(f'{REFUSED}Connection refused Multiple attempts: FATAL: database "x" does not exist'),
        Unavailable(f"{REFUSED}SSL error: certificate verify failed"),
        StatementTimeout("the database is too slow: canceling statement due to user request"),
        DatabaseFault("the database refuses the program: permission denied (SQLSTATE 42501)"),
    ],
)
async def test_a_database_that_answers_anything_else_is_there(answer: Exception) -> None:
    database = Database(*[answer] * 10)
    async with watching(database) as watch:
        await watch.settle()
        assert not watch.is_unreachable
    assert not database.lost


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("FATAL: the database system is starting up", "starting"),
        ("FATAL: the database system is in recovery mode", "recovering"),
        ("FATAL: the database system is shutting down", "stopping"),
        ("FATAL: sorry, too many clients already", "too_many_connections"),
        (
            "FATAL: remaining connection slots are reserved for roles with the SUPERUSER attribute",
            "too_many_connections",
        ),
        ("Connection refused Is the server running on that host?", "unreachable"),
        ('connection to server on socket "/run/s.5432" failed: No such file or directory', "unreachable"),
        ("server closed the connection unexpectedly", "unreachable"),
        ("[Errno -2] Name or service not known", "unreachable"),
        ("connection timeout expired", "no_answer"),
    ],
)
async def test_a_database_that_lets_nobody_in_is_not(said: str, reason: str) -> None:
    async with watching(Database(*[Unavailable(REFUSED + said)] * 2)) as watch:
        await watch.settle()
        assert watch.reason is not None
        assert watch.reason.name == reason


async def test_silence_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_watch, "PROBE_TIMEOUT_S", 0.05)
    monkeypatch.setattr(database_watch, "STOOD_STILL_S", GENEROUS_S)
    database = Database()
    watch = DatabaseWatch(asyncio.Event().wait, database.give_up)  # type: ignore[arg-type]
    async with watch.running(), asyncio.timeout(GENEROUS_S):
        await watch.settle()
        assert watch.reason is not None
        assert watch.reason.name == "no_answer"


async def test_a_process_that_stood_still_itself_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_watch, "PROBE_TIMEOUT_S", 0.05)
    monkeypatch.setattr(database_watch, "STOOD_STILL_S", 0.1)
    asked = 0

    async def probe() -> None:
        nonlocal asked
        asked += 1
        if asked < 6:
            time.sleep(0.3)  # noqa: ASYNC251 - everything stands still
            await asyncio.Event().wait()

    database = Database()
    watch = DatabaseWatch(probe, database.give_up)
    async with watch.running(), asyncio.timeout(GENEROUS_S):
        await watch.settle()
    assert asked == 6
    assert not database.lost
