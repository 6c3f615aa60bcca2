"""When a database counts as unreachable, by the answers to probes."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from conftest import GENEROUS_S
from trenova.api import database_watch
from trenova.api.database_watch import DatabaseWatch
from trenova.errors import DatabaseFault, StatementTimeout, Unavailable

REFUSED = "the database is unavailable: connection failed: connection to server at 10.0.0.1, port 5432 failed: "
CLOSED = Unavailable("the database is unreachable: connection failed: Connection refused")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_watch, "PROBE_EVERY_S", 0)


class Database:
    """Answers probes with these errors, one after the other, and then with success."""

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
    while not true():  # noqa: ASYNC110 - a watch has no event for its end
        await asyncio.sleep(0)


async def test_one_failed_probe_is_not_an_outage() -> None:
    database = Database(CLOSED)
    async with watching(database) as watch:
        await watch.find_out()
        assert not watch.is_unreachable
        assert not database.lost


async def test_two_failed_probes_are_an_outage_and_an_answer_ends_it() -> None:
    database = Database(*[CLOSED] * 10)
    async with watching(database) as watch:
        await watch.find_out()
        assert watch.reason is not None
        assert watch.reason.name == "unreachable"
        watch.doubt()
        await until(lambda: not watch.is_unreachable)
        assert database.lost == 1
        assert not database.errors
        await watch.find_out()
        assert not watch.is_unreachable


@pytest.mark.parametrize(
    "answer",
    [
        Unavailable(f'{REFUSED}FATAL: password authentication failed for user "x"'),
        Unavailable(f'{REFUSED}FATAL: no pg_hba.conf entry for host "10.0.0.2"'),
        # A name with two addresses: nothing listens at the first, the second answers.
        Unavailable(f'{REFUSED}Connection refused Multiple attempts: FATAL: database "x" does not exist'),
        Unavailable(f"{REFUSED}SSL error: certificate verify failed"),
        # It reserves connections for operators, and serves those that are open.
        Unavailable(f"{REFUSED}FATAL: sorry, too many clients already"),
        Unavailable(f"{REFUSED}FATAL: remaining connection slots are reserved for roles with the SUPERUSER attribute"),
        Unavailable(f'{REFUSED}FATAL: too many connections for role "x"'),
        StatementTimeout("the database is too slow: canceling statement due to user request"),
        DatabaseFault("the database denies this login a right: permission denied (SQLSTATE 42501)"),
    ],
)
async def test_a_database_with_any_other_answer_is_reachable(answer: Exception) -> None:
    database = Database(*[answer] * 10)
    async with watching(database) as watch:
        await watch.find_out()
        assert not watch.is_unreachable
    assert not database.lost


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("FATAL: the database system is starting up", "starting"),
        ("FATAL: the database system is in recovery mode", "recovering"),
        ("FATAL: the database system is shutting down", "stopping"),
        ("Connection refused Is the server running on that host?", "unreachable"),
        ('connection to server on socket "/run/s.5432" failed: No such file or directory', "unreachable"),
        ("server closed the connection unexpectedly", "unreachable"),
        ("[Errno -2] Name or service not known", "unreachable"),
        ("connection timeout expired", "no_answer"),
    ],
)
async def test_a_database_that_accepts_no_connections_is_unreachable(said: str, reason: str) -> None:
    async with watching(Database(*[Unavailable(REFUSED + said)] * 2)) as watch:
        await watch.find_out()
        assert watch.reason is not None
        assert watch.reason.name == reason


async def test_silence_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_watch, "PROBE_TIMEOUT_S", 0.1)
    database = Database()
    watch = DatabaseWatch(asyncio.Event().wait, database.give_up)  # type: ignore[arg-type]
    async with watch.running(), asyncio.timeout(GENEROUS_S):
        await watch.find_out()
        assert watch.reason is not None
        assert watch.reason.name == "no_answer"


async def test_a_cancelled_probe_delays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection succeeds and its query has no answer: cancelled, psycopg asks the silent server to cancel it."""
    monkeypatch.setattr(database_watch, "PROBE_TIMEOUT_S", 0.1)
    under_way = most = 0

    async def probe() -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.Event().wait()
        finally:
            under_way -= 1

    database = Database()
    watch = DatabaseWatch(probe, database.give_up)
    async with asyncio.timeout(GENEROUS_S):
        async with watch.running():
            await watch.find_out()
            assert watch.reason is not None
            assert watch.reason.name == "no_answer"
            await asyncio.sleep(1)
            assert most <= 2
        assert not under_way


async def test_a_stall_of_this_process_is_not_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_watch, "PROBE_TIMEOUT_S", 0.5)
    asked = 0

    async def probe() -> None:
        nonlocal asked
        asked += 1
        time.sleep(1)  # noqa: ASYNC251 - the whole process stalls
        await asyncio.sleep(0.1)

    database = Database()
    watch = DatabaseWatch(probe, database.give_up)
    async with watch.running(), asyncio.timeout(GENEROUS_S):
        await watch.find_out()
    assert asked == 1
    assert not database.lost


async def test_a_watch_that_ends_logs_nothing_about_the_database() -> None:
    with capture_logs() as logged:
        async with watching(Database(*[CLOSED] * 100_000)) as watch:
            await watch.find_out()
        assert not watch.is_unreachable
    assert [(each["event"], each["hint"]) for each in logged] == [
        ("database is unreachable", "start PostgreSQL, or correct database.url")
    ]
