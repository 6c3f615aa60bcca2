"""`trenova worker --processes`: a process that dies is restarted, and none is left behind."""

import asyncio
import os
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest

from acceptance.conftest import BESIDE_PYTHON
from acceptance.encrypted import Site, start_site
from acceptance.test_worker_health import health_on, is_ready, receive_until
from trenova.dev.ports import choose, reserve
from trenova.dev.postgres import Postgres
from waiting import LIMIT_S, becomes

pytestmark = pytest.mark.long


def two_ports() -> int:
    """The first of two consecutive free ports."""
    port = choose()
    while not reserve(port + 1):
        port = choose()
    return port


@asynccontextmanager
async def two_workers(site: Site, port: int, log: Path, **variables: str) -> AsyncIterator[asyncio.subprocess.Process]:
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(str(BESIDE_PYTHON / "trenova"), "worker", "--processes", "2"),
            env=site.environment(health_on(port, **variables), "worker"),
            cwd=site.folder,
            stdout=file,
            stderr=file,
        )
    left = psutil.Process(process.pid)
    try:
        yield process
    finally:
        for each in [*(left.children() if left.is_running() else []), left]:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        await process.wait()


@pytest.fixture(scope="module")
async def site(folder: Path, postgres: Postgres) -> AsyncIterator[Site]:
    async with start_site(folder, postgres) as started:
        yield started


async def both_ready(port: int) -> bool:
    return await is_ready(port) and await is_ready(port + 1)


@pytest.fixture
def manager() -> Iterator[socket.socket]:
    with (
        tempfile.TemporaryDirectory(prefix="trenova-notify-") as path,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as opened,
    ):
        opened.bind(os.fspath(Path(path) / "notify"))
        opened.settimeout(LIMIT_S)
        yield opened


async def test_a_killed_process_is_restarted_and_the_other_keeps_working(
    site: Site, manager: socket.socket, tmp_path: Path
) -> None:
    port = two_ports()
    # No watchdog: its messages would fill the socket, which is not read until the stop.
    notify = {"NOTIFY_SOCKET": manager.getsockname()}
    log = tmp_path / "workers.log"
    async with two_workers(site, port, log, **notify) as parent:
        await asyncio.to_thread(receive_until, manager, b"READY=1")
        await becomes(lambda: both_ready(port))
        one, other = psutil.Process(parent.pid).children()
        one.kill()

        async def is_replaced() -> bool:
            pids = {each.pid for each in psutil.Process(parent.pid).children()}
            return len(pids) == 2 and one.pid not in pids and other.pid in pids

        await becomes(is_replaced)
        await becomes(lambda: both_ready(port))
        assert "worker process started again" in log.read_text()

        # While one of them waits for its restart.
        other.kill()

        async def reports_exit() -> bool:
            fields = f'"pid": {other.pid}, "exit_code": -9, "again_in_s": 1.0'
            return f'{fields}, "event": "a worker process ended unexpectedly"' in log.read_text()

        await becomes(reports_exit)
        parent.send_signal(signal.SIGTERM)
        async with asyncio.timeout(LIMIT_S):
            assert await parent.wait() == 0
        assert b"STOPPING=1" in await asyncio.to_thread(receive_until, manager, b"STOPPING=1")


async def test_a_process_that_the_system_cannot_start_is_started_later_and_the_other_keeps_working(
    site: Site, tmp_path: Path
) -> None:
    port, log = two_ports(), tmp_path / "workers.log"
    async with two_workers(site, port, log) as parent:
        await becomes(lambda: both_ready(port))
        system = psutil.Process(parent.pid)
        one, other = system.children()
        files = system.rlimit(psutil.RLIMIT_NOFILE)
        # Open files stay open.
        system.rlimit(psutil.RLIMIT_NOFILE, (3, files[1]))
        one.kill()

        async def reports_failed_start() -> bool:
            return "a worker process cannot be started now" in log.read_text()

        await becomes(reports_failed_start)
        assert other.is_running()
        system.rlimit(psutil.RLIMIT_NOFILE, files)
        await becomes(lambda: both_ready(port))
        assert other in system.children()
        assert "Too many open files" in log.read_text()


async def test_without_their_parent_the_processes_exit(site: Site, tmp_path: Path) -> None:
    port, log = two_ports(), tmp_path / "workers.log"
    async with two_workers(site, port, log) as parent:
        await becomes(lambda: both_ready(port))
        children = psutil.Process(parent.pid).children()
        parent.kill()
        _, alive = await asyncio.to_thread(psutil.wait_procs, children, LIMIT_S)
        assert alive == []
        assert "the process that started this worker has ended" in log.read_text()


async def test_a_process_that_cannot_start_stops_all_of_them_with_its_error(site: Site, tmp_path: Path) -> None:
    port, log = two_ports(), tmp_path / "workers.log"
    with socket.create_server(("127.0.0.1", port + 1)):
        async with two_workers(site, port, log) as parent, asyncio.timeout(LIMIT_S):
            assert await parent.wait() == 1
    assert f"error: invalid configuration: port {port + 1} on 127.0.0.1 is already in use" in log.read_text()
    assert "a worker process cannot start; its error is above" in log.read_text()


async def test_ports_beyond_the_last_are_an_error_before_any_process_starts(site: Site) -> None:
    ended = await site.command("worker", "--processes", "2", **health_on(65_535))
    assert ended.error_and_hint()[0].startswith(
        "invalid configuration: worker.health.port: 65535 given for 2 processes"
    )


async def test_a_process_that_does_not_exit_in_time_is_killed(site: Site, tmp_path: Path) -> None:
    port, log = two_ports(), tmp_path / "workers.log"
    at_once = {"TRENOVA_WORKER__DRAIN_SECONDS": "0"}
    async with two_workers(site, port, log, **at_once) as parent:
        await becomes(lambda: both_ready(port))
        stuck, _ = psutil.Process(parent.pid).children()
        stuck.suspend()
        parent.send_signal(signal.SIGTERM)
        async with asyncio.timeout(LIMIT_S):
            assert await parent.wait() == 1
        assert f'"pid": {stuck.pid}, "event": "a worker process does not stop' in log.read_text()
