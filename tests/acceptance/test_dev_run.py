"""`trenova dev` as a whole: the real command, the real parts, entries that must survive every way to stop it."""

import asyncio
import json
import os
import shutil
import signal
import stat
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from acceptance import conftest
from acceptance.conftest import User
from trenova.dev import orphans, ports
from trenova.dev.process import last_lines
from waiting import LIMIT_S, becomes

pytestmark = pytest.mark.long

PARTS = ("worker", "api", "temporal", "postgres")


@dataclass(frozen=True, slots=True)
class Dev:
    """A `trenova dev` that is ready."""

    data_dir: Path
    process: asyncio.subprocess.Process
    output: Path

    @property
    def state(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.data_dir / "dev.json").read_text())
        return content

    def children(self) -> list[psutil.Process]:
        return [psutil.Process(self.state["pids"][part]) for part in PARTS]

    def client(self) -> httpx.AsyncClient:
        state = self.state
        key = {"Authorization": f"Bearer {state['api_key']}"}
        return httpx.AsyncClient(base_url=state["api_url"], headers=key, timeout=LIMIT_S, trust_env=False, verify=False)

    async def send(self, target: str) -> int:
        """Send an entry and return the status; retried while a restarted part is not reachable yet."""
        entry = {
            "tenant": "acme",
            "actor": {"type": "user", "id": "u-1"},
            "action": "shipment.update",
            "target": {"type": "shipment", "id": target},
        }
        key = {"Idempotency-Key": str(uuid.uuid4())}
        async with self.client() as client, asyncio.timeout(LIMIT_S):
            while True:
                answer = await client.post("/v1/entries?wait=stored", json=entry, headers=key)
                if answer.status_code not in {202, 503}:
                    return answer.status_code
                await asyncio.sleep(0.5)

    async def targets(self) -> set[str]:
        async with self.client() as client:
            answer = await client.get("/v1/entries", params={"tenant": "acme"})
        assert answer.status_code == 200
        return {entry["target"]["id"] for entry in answer.json()["entries"]}


@pytest.fixture
def data_dir() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="trenova-test-"))
    home.chmod(0o755)
    yield home / "data"
    for part in PARTS:  # of a test that failed
        for process in orphans.find(home / "data" / "run" / f"{part}.json"):
            process.kill()
    shutil.rmtree(home)


@pytest.fixture
def flags() -> tuple[str, ...]:
    names = ("--api-port", "--temporal-port", "--ui-port")
    return tuple(word for name in names for word in (name, str(ports.choose())))


async def until(condition: Callable[[], bool], output: Path) -> None:
    async def is_true() -> bool:
        return condition()

    await becomes(is_true, lambda: last_lines(output))


async def launch(data_dir: Path, flags: tuple[str, ...]) -> Dev:
    output = data_dir.with_name("output")
    with output.open("wb") as file:
        command = ("-m", "trenova", "dev", "--data-dir", str(data_dir), *flags)
        process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=file, stderr=file)
    return Dev(data_dir, process, output)


@asynccontextmanager
async def running(data_dir: Path, flags: tuple[str, ...]) -> AsyncIterator[Dev]:
    dev = await launch(data_dir, flags)
    try:
        await until(
            lambda: (
                dev.process.returncode is not None
                or any(line.startswith("Follow the logs") for line in last_lines(dev.output))
            ),
            dev.output,
        )
        assert dev.process.returncode is None, last_lines(dev.output)
        yield dev
    finally:
        if dev.process.returncode is None:
            dev.process.send_signal(signal.SIGTERM)
        await dev.process.wait()


async def test_it_stores_a_probe_before_it_is_ready_and_stops_everything_it_started(
    data_dir: Path, flags: tuple[str, ...]
) -> None:
    async with running(data_dir, flags) as dev:
        state, children = dev.state, dev.children()
        assert stat.S_IMODE(os.stat(data_dir / "dev.json").st_mode) == 0o600  # noqa: PTH116 - a test may block
        assert set(state) == {
            *("api_url", "api_key", "temporal_address", "temporal_namespace"),
            *("ui_url", "database_url", "metrics_url", "worker_metrics_url", "pids"),
        }
        assert await dev.send("s-1") == 201
        async with dev.client() as client:
            assert (await client.get(state["metrics_url"])).status_code == 200
            assert (await client.get(state["worker_metrics_url"])).status_code == 200
            assert (await client.get(state["ui_url"], follow_redirects=True)).status_code == 200
        for child in children:
            assert state["api_key"] not in " ".join(child.cmdline())
        dev.process.send_signal(signal.SIGINT)
        assert await dev.process.wait() == 0
    assert not any(orphans.is_running(child) for child in children)
    assert not (data_dir / "dev.json").exists()


async def test_nothing_is_lost_when_the_supervisor_is_killed(data_dir: Path, flags: tuple[str, ...]) -> None:
    """test_journey kills every process."""
    async with running(data_dir, flags) as dev:
        key, left = dev.state["api_key"], dev.children()
        assert await dev.send("before-the-kill") == 201
        dev.process.kill()
        await dev.process.wait()
    assert all(orphans.is_running(process) for process in left)
    async with running(data_dir, flags) as dev:
        assert not any(orphans.is_running(process) for process in left)
        assert dev.state["api_key"] == key
        assert await dev.send("after-the-kill") == 201
        assert await dev.targets() == {"before-the-kill", "after-the-kill"}


async def test_parts_that_die_are_restarted_and_entries_are_stored_again(
    data_dir: Path, flags: tuple[str, ...]
) -> None:
    async with running(data_dir, flags) as dev:
        for part in PARTS:
            pid = dev.state["pids"][part]
            os.kill(pid, signal.SIGKILL)
            await until(lambda pid=pid, part=part: dev.state["pids"][part] != pid, dev.output)  # type: ignore[misc]
            assert await dev.send(f"after-{part}") == 201
        assert await dev.targets() == {f"after-{part}" for part in PARTS}


def test_a_folder_or_a_port_in_use_is_one_error_and_one_hint(dev: conftest.Dev, trenova: User) -> None:
    parts, state = dev.parts(), dev.state
    ports_of = {"--api-port": "api_url", "--temporal-port": "temporal_address", "--ui-port": "ui_url"}
    flags = [word for flag, name in ports_of.items() for word in (flag, state[name].rpartition(":")[2])]
    for folder, words in (
        (dev.data_dir, "is in use by another trenova dev"),
        (dev.data_dir.with_name("o"), "is already in use by"),
    ):
        error, _ = trenova("dev", "--data-dir", str(folder), *flags).error_and_hint()
        assert words in error
    assert all(orphans.is_running(part) for part in parts)
    trenova.add({"comment": "still there"})


async def test_ctrl_c_during_the_start_stops_everything_that_was_started(
    data_dir: Path, flags: tuple[str, ...]
) -> None:
    dev = await launch(data_dir, flags)
    await until((data_dir / "run" / "postgres.json").exists, dev.output)
    postgres = psutil.Process(json.loads((data_dir / "run" / "postgres.json").read_text())["pid"])
    dev.process.send_signal(signal.SIGINT)
    assert await dev.process.wait() == 0
    assert not orphans.is_running(postgres)
