"""Parts that run and are of no use any more are started again; those that only take their time are not."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest

from acceptance.dev.observed import store_one, stored
from trenova.dev import ports, process_state, watchdog
from trenova.dev.part import Part
from trenova.dev.postgres import Postgres
from trenova.dev.process import Process
from trenova.dev.supervisor import Supervisor
from trenova.errors import PartFailed
from trenova.runtime.installation.folder import Folder

LIMIT_S = 240
# Far more often than in life: what is spared here for so many looks is spared there for hours.
LOOK_EVERY_S = 0.1
# Between a crash and the recovery there is no startup process, and the machine may stall there.
MANY_LOOKS = 300


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "LOOK_EVERY_S", LOOK_EVERY_S)


async def until(true: Callable[[], bool], told: Callable[[], object] = lambda: "") -> None:
    deadline = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < deadline, told()
        await asyncio.sleep(0.01)


@dataclass(slots=True)
class Supervised:
    supervisor: Supervisor
    died: list[PartFailed]
    restarted: list[str]

    def pid(self, part: str) -> int:
        return self.supervisor.pids[part]


@asynccontextmanager
async def supervised(*parts: Part) -> AsyncIterator[Supervised]:
    died: list[PartFailed] = []
    restarted: list[str] = []
    made = Supervised(Supervisor(on_death=died.append, on_restart=restarted.append), died, restarted)
    try:
        for part in parts:
            await made.supervisor.start(part)
        yield made
    finally:
        for process in map(psutil.Process, made.supervisor.pids.values()):
            for each in (process, *process.children()):
                each.resume()
        made.supervisor.hurry()
        await made.supervisor.stop()


def startup(server: int) -> psutil.Process | None:
    found = [
        state.pid
        for state in process_state.states_of(process_state.children(server)).values()
        if watchdog.STARTUP.search(state.title)
    ]
    return psutil.Process(found[0]) if found else None


async def crash(postgres: Postgres, server: int) -> psutil.Process:
    """Kill a backend, and stop the startup process as soon as it is there. It has a lot to read."""
    with psycopg.connect(postgres.owner_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS large (a int, b text)")
        connection.execute("INSERT INTO large SELECT g, repeat('x', 200) FROM generate_series(1, 300000) g")
        os.kill(connection.info.backend_pid, signal.SIGKILL)
    found: list[psutil.Process] = []

    def stopped() -> bool:
        if (process := startup(server)) is not None:
            process.suspend()
            found.append(process)
        return bool(found)

    await until(stopped)
    return found[0]


async def test_a_postgres_that_recovers_without_a_startup_process_is_started_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL 18 neither ends nor tries again when its startup process panics while it recovers from a crash."""
    asked = watchdog.ABANDONED_CHECKS
    monkeypatch.setattr(watchdog, "ABANDONED_LOOKS", MANY_LOOKS)
    postgres = Postgres(folder)
    async with postgres.part() as part, supervised(part) as made:
        await postgres.create_database()
        store_one(postgres)
        first = made.pid("postgres")
        process = await crash(postgres, first)
        monkeypatch.setattr(watchdog, "ABANDONED_LOOKS", asked)
        process.send_signal(signal.SIGABRT)
        process.resume()
        await until(lambda: made.restarted == ["postgres"], lambda: part.log.read_text()[-2000:])
        assert made.pid("postgres") != first
        assert stored(postgres) == 1
        assert made.died[0].message == (
            "postgres accepts no connections (the database system is in recovery mode), and it has no startup process "
            f"that could bring it up: seen {asked} times in a row; it was stopped"
        )


async def test_a_postgres_that_recovers_for_long_is_left_alone_and_so_is_one_that_somebody_has_stopped(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "STILL_LOOKS", 3)
    monkeypatch.setattr(watchdog, "ABANDONED_LOOKS", MANY_LOOKS)
    postgres, looks = Postgres(folder), [False]
    slowed: list[psutil.Process] = []

    async def connection_problem() -> str | None:
        """As it says, and the startup process in `slowed` runs only from here to the next question."""
        for process in slowed:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        said = await Postgres.connection_problem(postgres)
        looks.append(said is not None)
        for process in slowed:
            with suppress(psutil.NoSuchProcess):
                process.resume()
        return said

    monkeypatch.setattr(postgres, "connection_problem", connection_problem)
    async with postgres.part() as part, supervised(part) as made:
        await postgres.create_database()
        store_one(postgres)
        first = made.pid("postgres")
        process = await crash(postgres, first)
        held = len(looks) + 3 * watchdog.IDLE_CHECKS
        await until(lambda: len(looks) > held)
        recovering = len(looks)
        monkeypatch.setattr(watchdog, "LOOK_EVERY_S", 0.001)
        slowed.append(process)
        await until(lambda: not looks[-1], lambda: part.log.read_text()[-2000:])
        assert len(looks) - recovering > 3 * watchdog.IDLE_CHECKS, "it recovered too quickly to show anything"
        assert (made.died, made.pid("postgres")) == ([], first)
        assert stored(postgres) == 1


ANSWERS_UNTIL_TOLD = """
import http.server, pathlib, sys, time
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        while pathlib.Path(sys.argv[2]).exists():
            time.sleep(1)
        self.send_response(503)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
"""


async def test_a_part_that_runs_and_answers_nothing_is_started_again_and_one_that_is_stopped_is_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "ANSWER_LIMIT_S", 0.5)
    stuck, home, port, looks = folder / "stuck", Folder(folder), ports.choose(), [True]
    url = f"http://{ports.LOCALHOST}:{port}/livez"

    async def answers() -> bool:
        looks.append(await watchdog.responds(url))
        return looks[-1]

    async def ready(pid: int) -> bool:
        return ports.is_listening(pid, port)

    part = Part(
        name="api",
        argv=(sys.executable, "-c", ANSWERS_UNTIL_TOLD, str(port), str(stuck)),
        env={},
        log=home.log("api"),
        record=home.record("api"),
        is_ready=ready,
        watchdog=lambda: watchdog.AnswerWatchdog(answers),
    )
    async with supervised(part) as made:
        first = made.pid("api")
        os.kill(first, signal.SIGSTOP)
        monkeypatch.setattr(watchdog, "SILENT_LOOKS", 2)
        until_now = len(looks)
        await until(lambda: looks[until_now:].count(False) > 2 * watchdog.SILENT_CHECKS)
        assert made.died == []
        monkeypatch.setattr(watchdog, "SILENT_LOOKS", 12)
        os.kill(first, signal.SIGCONT)
        await until(lambda: looks[-1])
        stuck.write_text("")
        await until(lambda: made.died != [])
        stuck.unlink()
        await until(lambda: made.restarted == ["api"])
        assert made.pid("api") != first
        assert made.died[0].message == ("api is running but has not answered 12 checks in a row; it was stopped")


class Hopeless:
    async def check(self, _pid: int) -> str | None:
        return "will never come up"


async def test_a_start_without_a_limit_ends_when_there_is_no_hope_left(folder: Path) -> None:
    home = Folder(folder)

    async def never(_pid: int) -> bool:
        return False

    part = Part(
        name="postgres",
        argv=("/bin/sh", "-c", "trap '' TERM; echo recovering; sleep 600 & wait; sleep 600"),
        env={"PATH": "/usr/bin:/bin"},
        log=home.log("postgres"),
        record=home.record("postgres"),
        is_ready=never,
        ready_limit_s=None,
        watchdog=Hopeless,
        abort_signals=((signal.SIGTERM, 0.1), (signal.SIGKILL, 30)),
    )
    process = await Process.spawn(part)
    with pytest.raises(PartFailed, match="postgres will never come up; it was stopped"):
        await process.wait_ready()
    assert not psutil.pid_exists(process.pid)
