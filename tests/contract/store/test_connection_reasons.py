"""The reason why a database accepts no connection, recognised by its own words."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import psycopg
import pytest

from conftest import GENEROUS_S
from trenova.dev import process_state, watchdog
from trenova.dev.postgres import Postgres
from trenova.dev.process import running
from trenova.dev.schema import prepare
from trenova.errors import Unavailable
from trenova.runtime.installation import logins
from trenova.store import Store, connection_errors


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + GENEROUS_S
    while not await condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def reason(url: str) -> str:
    """The name of the reason; fails unless the error has that reason's next step as its hint."""
    async with Store.open(url) as store:
        with pytest.raises(Unavailable) as refused:
            await store.check()
    found = connection_errors.reason_of(refused.value.message)
    assert refused.value.raw_hint == found.next_step
    assert refused.value.message.startswith(f"the database is {found.state}: ")
    return found.name


async def suspend_startup(server: int) -> psutil.Process:
    """Suspend the server's startup process as soon as it exists, and return it."""
    found: list[psutil.Process] = []

    async def stops() -> bool:
        for vital in process_state.states_of(process_state.children(server)).values():
            if watchdog.STARTUP.search(vital.title):
                found.append(psutil.Process(vital.pid))
                found[0].suspend()
        return bool(found)

    await until(stops)
    return found[0]


async def test_every_reason_why_a_database_accepts_no_connection_has_a_name_and_a_next_step(folder: Path) -> None:
    postgres = Postgres(folder / f"closed-{os.urandom(4).hex()}")
    async with postgres.part() as part:
        async with running(part) as server:
            await postgres.create_database()
            await prepare(postgres)
            async with await postgres.connect("trenova") as owner:
                await owner.execute(f"ALTER ROLE {logins.WORKER.name} CONNECTION LIMIT 0".encode())
                assert await reason(postgres.worker_url) == "too_many_connections"
                await owner.execute(f"ALTER ROLE {logins.WORKER.name} CONNECTION LIMIT -1".encode())
            with psycopg.connect(postgres.owner_url, autocommit=True) as owner:
                owner.execute("CREATE TABLE large AS SELECT g, repeat('x', 200) FROM generate_series(1, 100000) g")
                os.kill(owner.info.backend_pid, signal.SIGKILL)
            startup = await suspend_startup(server.pid)
            assert await reason(postgres.worker_url) == "recovering"
            startup.resume()
            await until(accepts_connections(postgres))
            async with await postgres.connect("trenova"):
                os.kill(server.pid, signal.SIGTERM)  # a smart shutdown waits for us
                await until(accepts_connections(postgres, "shutting down"))
                assert await reason(postgres.worker_url) == "stopping"
        assert await reason(postgres.worker_url) == "unreachable"


def accepts_connections(postgres: Postgres, refusal: str | None = None) -> Callable[[], Awaitable[bool]]:
    """A condition: PostgreSQL accepts a connection, or rejects it with these words."""

    async def check() -> bool:
        problem = await postgres.connection_problem()
        return problem is None if refusal is None else refusal in (problem or "")

    return check


def test_the_words_of_postgresql_and_of_the_system_are_known() -> None:
    reasons = {
        "FATAL:  the database system is in recovery mode": "recovering",
        "FATAL:  the database system is not yet accepting connections": "recovering",
        "FATAL:  the database system is not accepting connections": "recovering",
        "FATAL:  the database system is starting up": "starting",
        "FATAL:  the database system is shutting down": "stopping",
        "terminating connection due to administrator command": "stopping",
        "FATAL:  sorry, too many clients already": "too_many_connections",
        "FATAL:  remaining connection slots are reserved for roles": "too_many_connections",
        "connection timeout expired": "no_answer",
        "the database did not answer within 100 seconds": "no_answer",
        "could not translate host name": "unreachable",
        "No space left on device": "other",
    }
    assert {words: connection_errors.reason_of(words).name for words in reasons} == reasons


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ("Connection refused", "unreachable: nothing accepts connections at its address"),
        ("connection timeout expired", "unreachable: it does not answer"),
        ("FATAL:  the database system is starting up", "unavailable: it is starting up"),
        ("FATAL:  role is not permitted to log in", "unavailable: it denies this process a connection"),
    ],
)
def test_a_database_is_unreachable_only_if_it_does_not_answer(error: str, text: str) -> None:
    assert connection_errors.reason_of(error).public_text == text
