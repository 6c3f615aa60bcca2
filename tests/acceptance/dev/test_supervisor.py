"""Parts that die, cannot start or do not stop."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from acceptance.dev.observed import count_stored, store_one
from trenova.dev import orphans
from trenova.dev.part import Part
from trenova.dev.postgres import Postgres
from trenova.dev.process import Process
from trenova.dev.supervisor import Supervisor
from trenova.errors import PartFailed
from trenova.runtime.installation.folder import Folder

LIMIT_S = 240


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_a_part_that_dies_is_reported_and_restarted(folder: Path) -> None:
    died: list[PartFailed] = []
    restarted: list[str] = []
    supervisor = Supervisor(on_death=died.append, on_restart=restarted.append)
    postgres = Postgres(folder)
    async with postgres.part() as part:
        await supervisor.start(part)
        try:
            first = supervisor.pids["postgres"]
            await postgres.create_database()
            store_one(postgres)
            os.kill(first, signal.SIGKILL)
            await until(lambda: restarted == ["postgres"])
            assert supervisor.pids["postgres"] != first
            assert count_stored(postgres) == 1
        finally:
            await supervisor.stop()
    assert died[0].message == "postgres was ended by SIGKILL"
    assert any("ready to accept connections" in line for line in died[0].__notes__)


def shell_part(folder: Path, script: str, *, ready: bool) -> Part:
    home = Folder(folder)

    async def answer(_pid: int) -> bool:
        return ready

    return Part(
        name="worker",
        argv=("/bin/sh", "-c", script),
        env={"PATH": "/usr/bin:/bin"},
        log=home.log("worker"),
        record=home.record("worker"),
        is_ready=answer,
    )


async def test_a_part_that_cannot_start_is_named_with_the_end_of_its_log(folder: Path) -> None:
    with pytest.raises(PartFailed, match="worker ended with exit code 3 while it was starting") as failure:
        await Process.start(shell_part(folder, "echo no such setting; exit 3", ready=False))
    assert failure.value.__notes__ == ["no such setting"]


async def test_a_program_that_is_missing_is_named(folder: Path) -> None:
    part = shell_part(folder, "", ready=True)
    missing = Part(**{name: getattr(part, name) for name in Part.__slots__} | {"argv": ("/nonexistent/temporal",)})
    with pytest.raises(PartFailed, match="/nonexistent/temporal: No such file") as failure:
        await Process.start(missing)
    assert failure.value.hint


async def test_a_part_that_ignores_sigterm_is_killed_with_its_children_at_the_second_ctrl_c(
    folder: Path,
) -> None:
    supervisor = Supervisor(on_death=lambda _: None, on_restart=lambda _: None)
    await supervisor.start(shell_part(folder, "trap '' TERM; sleep 600; sleep 600", ready=True))
    process = psutil.Process(supervisor.pids["worker"])
    await until(lambda: len(process.children()) == 1)
    child = process.children()[0]
    stopping = asyncio.create_task(supervisor.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    supervisor.hurry()
    await stopping
    await until(lambda: not orphans.is_running(child))
