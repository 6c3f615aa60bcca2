"""What ends a worker: a request to stop, without an error; a background task that fails, with one."""

import asyncio
from typing import Any, Self
from unittest.mock import MagicMock

import pytest
from structlog.testing import capture_logs

from conftest import GENEROUS_S
from trenova.codec.key_usage.watch import KeyWatch
from trenova.config import Settings
from trenova.errors import TrenovaError, Unavailable
from trenova.runtime.systemd import ServiceManager
from trenova.worker import process, records
from trenova.worker.parent import Parent
from trenova.worker.process import Observers, poll_or_explain
from trenova.worker.readiness import Readiness


class IdleWorker:
    """A worker without tasks; notes that it was shut down."""

    def __init__(self) -> None:
        self.was_shut_down = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(0)
        self.was_shut_down = True


async def wait_forever(*_: Any) -> None:
    await asyncio.Event().wait()


@pytest.fixture
def idle_worker(monkeypatch: pytest.MonkeyPatch) -> IdleWorker:
    """A worker whose background tasks do nothing."""
    worker = IdleWorker()
    monkeypatch.setattr(process, "create_worker", lambda *_: worker)
    monkeypatch.setattr(process, "checks_of", lambda *_: {})
    for name in ("keep_collecting", "announce"):
        monkeypatch.setattr(process, name, wait_forever)
    monkeypatch.setattr(KeyWatch, "watch", wait_forever)
    monkeypatch.setattr(records, "keep_appending", wait_forever)
    return worker


async def poll(stop: asyncio.Event) -> None:
    observers = Observers(Readiness(), ServiceManager(address="/nowhere", watchdog_s=60), Parent())
    async with asyncio.timeout(GENEROUS_S):
        await poll_or_explain(MagicMock(), MagicMock(), Settings(), stop, observers)


async def test_a_worker_that_is_stopped_ends_without_an_error(idle_worker: IdleWorker) -> None:
    stop = asyncio.Event()
    polling = asyncio.create_task(poll(stop))
    await asyncio.sleep(0.05)
    assert not polling.done()
    stop.set()
    await polling
    assert idle_worker.was_shut_down


@pytest.mark.parametrize("error", [ZeroDivisionError("in the background"), Unavailable("x")], ids=["bug", "outage"])
@pytest.mark.parametrize("task", ["keep_collecting", "announce", "send_keepalives", "keep_appending", "watch"])
async def test_a_background_task_that_fails_ends_the_worker_with_an_error(
    idle_worker: IdleWorker, monkeypatch: pytest.MonkeyPatch, task: str, error: Exception
) -> None:
    async def fail(*_: Any) -> None:
        await asyncio.sleep(0)
        raise error

    owners = {"send_keepalives": ServiceManager, "keep_appending": records, "watch": KeyWatch}
    monkeypatch.setattr(owners.get(task, process), task, fail)
    with capture_logs() as logs, pytest.raises(TrenovaError, match="a part of it failed") as caught:
        await poll(asyncio.Event())
    assert not caught.value.retryable
    assert [each["exc_info"] for each in logs if each["event"] == "worker task failed"] == [error]
    assert idle_worker.was_shut_down


async def test_a_failing_background_task_ends_the_worker_while_it_drains(
    idle_worker: IdleWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = asyncio.Event()

    async def fail(*_: Any) -> None:
        await stop.wait()
        raise ZeroDivisionError("while draining")

    monkeypatch.setattr(process, "keep_collecting", fail)
    stop.set()
    with pytest.raises(TrenovaError, match="a part of it failed"):
        await poll(stop)
