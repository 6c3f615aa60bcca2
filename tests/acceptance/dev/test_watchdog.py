"""Parts that are stuck are restarted; those that are only slow are not."""

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

from acceptance.dev.observed import count_stored, store_one
from trenova.dev import ports, process_state, watchdog
from trenova.dev.part import Part
from trenova.dev.postgres import Postgres
from trenova.dev.process import Process
from trenova.dev.supervisor import Supervisor
from trenova.errors import PartFailed
from trenova.runtime.installation.folder import Folder

LIMIT_S = 240
# Far more often than in production: as many checks take hours there.
CHECK_EVERY_S = 0.1
# There is no startup process between a crash and the recovery, and the machine may stall then.
MANY_CHECKS = 300


@pytest.fixture(autouse=True)
def check_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "CHECK_EVERY_S", CHECK_EVERY_S)


async def until(condition: Callable[[], bool], details: Callable[[], object] = lambda: "") -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, details()
        await asyncio.sleep(0.01)


@dataclass(slots=True)
class RunningParts:
    supervisor: Supervisor
    died: list[PartFailed]
    restarted: list[str]

    def pid(self, part: str) -> int:
        return self.supervisor.pids[part]


@asynccontextmanager
async def run_parts(*parts: Part) -> AsyncIterator[RunningParts]:
    died: list[PartFailed] = []
    restarted: list[str] = []
    running = RunningParts(Supervisor(on_death=died.append, on_restart=restarted.append), died, restarted)
    try:
        for part in parts:
            await running.supervisor.start(part)
        yield running
    finally:
        for process in map(psutil.Process, running.supervisor.pids.values()):
            for each in (process, *process.children()):
                with suppress(psutil.NoSuchProcess):
                    each.resume()
        running.supervisor.hurry()
        await running.supervisor.stop()


def startup(server: int) -> psutil.Process | None:
    found = [
        state.pid
        for state in process_state.states_of(process_state.children(server)).values()
        if watchdog.STARTUP.search(state.title)
    ]
    return psutil.Process(found[0]) if found else None


async def crash(postgres: Postgres, server: int) -> psutil.Process:
    """Kill a backend, and suspend the startup process, which has much to read, as soon as it exists."""
    with psycopg.connect(postgres.owner_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS large (a int, b text)")
        connection.execute("INSERT INTO large SELECT g, repeat('x', 200) FROM generate_series(1, 300000) g")
        os.kill(connection.info.backend_pid, signal.SIGKILL)
    found: list[psutil.Process] = []

    def suspend_startup() -> bool:
        if (process := startup(server)) is not None:
            process.suspend()
            found.append(process)
        return bool(found)

    await until(suspend_startup)
    return found[0]


async def test_a_postgres_that_recovers_without_a_startup_process_is_restarted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If its startup process panics during crash recovery, PostgreSQL 18 neither ends nor recovers again."""
    limit = watchdog.ABANDONED_CHECKS
    monkeypatch.setattr(watchdog, "ABANDONED_CHECKS", MANY_CHECKS)
    postgres = Postgres(folder)
    async with postgres.part() as part, run_parts(part) as running:
        await postgres.create_database()
        store_one(postgres)
        first = running.pid("postgres")
        process = await crash(postgres, first)
        monkeypatch.setattr(watchdog, "ABANDONED_CHECKS", limit)
        process.send_signal(signal.SIGABRT)
        process.resume()
        await until(lambda: running.restarted == ["postgres"], lambda: part.log.read_text()[-2000:])
        assert running.pid("postgres") != first
        assert count_stored(postgres) == 1
        assert running.died[0].message == (
            "postgres accepts no connections (the database system is in recovery mode), and it has no startup process "
            f"that could bring it up: seen {limit} times in a row; it was stopped"
        )


async def test_a_postgres_with_a_long_recovery_and_a_suspended_one_are_left_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "IDLE_CHECKS", 3)
    monkeypatch.setattr(watchdog, "ABANDONED_CHECKS", MANY_CHECKS)
    postgres, answers_seen = Postgres(folder), [False]
    slowed: list[psutil.Process] = []

    async def connection_problem() -> str | None:
        """As in Postgres; lets the startup process in `slowed` run only from here to the next call."""
        for process in slowed:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        problem = await Postgres.connection_problem(postgres)
        answers_seen.append(problem is not None)
        for process in slowed:
            with suppress(psutil.NoSuchProcess):
                process.resume()
        return problem

    monkeypatch.setattr(postgres, "connection_problem", connection_problem)
    async with postgres.part() as part, run_parts(part) as running:
        await postgres.create_database()
        store_one(postgres)
        first = running.pid("postgres")
        process = await crash(postgres, first)
        enough = len(answers_seen) + 3 * watchdog.IDLE_CHECKS
        await until(lambda: len(answers_seen) > enough)
        recovering = len(answers_seen)
        monkeypatch.setattr(watchdog, "CHECK_EVERY_S", 0.001)
        slowed.append(process)
        await until(lambda: not answers_seen[-1], lambda: part.log.read_text()[-2000:])
        assert len(answers_seen) - recovering > 3 * watchdog.IDLE_CHECKS, "it recovered too quickly to show anything"
        assert (running.died, running.pid("postgres")) == ([], first)
        assert count_stored(postgres) == 1


SERVER_PROGRAM = """
import http.server, pathlib, sys, time
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        while pathlib.Path(sys.argv[2]).exists():
            time.sleep(1)
        self.send_response(503)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
"""


async def test_a_running_part_that_does_not_answer_is_restarted_and_a_suspended_one_is_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "ANSWER_LIMIT_S", 0.5)
    stuck_file, home, port, answers_seen = folder / "stuck", Folder(folder), ports.choose(), [True]
    url = f"http://{ports.LOCALHOST}:{port}/livez"

    async def answers() -> bool:
        answers_seen.append(await watchdog.responds(url))
        return answers_seen[-1]

    async def ready(pid: int) -> bool:
        return ports.is_listening(pid, port)

    part = Part(
        name="api",
        argv=(sys.executable, "-c", SERVER_PROGRAM, str(port), str(stuck_file)),
        env={},
        log=home.log("api"),
        record=home.record("api"),
        is_ready=ready,
        watchdog=lambda: watchdog.AnswerWatchdog(answers),
    )
    async with run_parts(part) as running:
        first = running.pid("api")
        os.kill(first, signal.SIGSTOP)
        monkeypatch.setattr(watchdog, "SILENT_CHECKS", 2)
        until_now = len(answers_seen)
        await until(lambda: answers_seen[until_now:].count(False) > 2 * watchdog.SILENT_CHECKS)
        assert running.died == []
        monkeypatch.setattr(watchdog, "SILENT_CHECKS", 12)
        os.kill(first, signal.SIGCONT)
        await until(lambda: answers_seen[-1])
        stuck_file.write_text("")
        await until(lambda: running.died != [])
        stuck_file.unlink()
        await until(lambda: running.restarted == ["api"])
        assert running.pid("api") != first
        assert running.died[0].message == ("api is running but has not answered 12 checks in a row; it was stopped")


class Hopeless:
    async def check(self, _pid: int) -> str | None:
        return "will never come up"


async def test_a_start_without_a_limit_ends_when_its_watchdog_objects(folder: Path) -> None:
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
