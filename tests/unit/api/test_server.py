"""What ends the API server: a request to stop, without an error; a part of it that fails, with one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from litestar import Litestar
from structlog.testing import capture_logs

from conftest import GENEROUS_S
from trenova.api import app
from trenova.api.ledger_keys import LedgerKeys
from trenova.api.server import Server
from trenova.config import MIB, Settings
from trenova.dev.ports import choose
from trenova.errors import TrenovaError
from trenova.ingest import Spool
from trenova.ingest.breaker import Breaker
from trenova.ingest.drain import Drain
from trenova.runtime.http.server import server_config
from trenova.runtime.systemd import ServiceManager


def server_of(application: Any, manager: ServiceManager | None = None) -> Server:
    config = server_config(application, drain_s=1, host="127.0.0.1", port=choose())
    return Server(config, manager or ServiceManager(), asyncio.Event())


async def until_started(server: Server) -> None:
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)


async def test_a_server_that_is_told_to_stop_ends_without_an_error() -> None:
    server = server_of(Litestar([]), ServiceManager(address="/nowhere", watchdog_s=60))
    async with asyncio.timeout(GENEROUS_S), asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.serve())
        await until_started(server)
        server.stop.set()
    assert serving.exception() is None


async def test_a_background_task_that_fails_ends_the_server_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_: ServiceManager) -> None:
        raise ZeroDivisionError("in the background")

    monkeypatch.setattr(ServiceManager, "send_keepalives", fail)
    server = server_of(Litestar([]))
    with capture_logs() as logs:
        async with asyncio.timeout(GENEROUS_S):
            with pytest.raises(TrenovaError, match="a part of it failed"):
                await server.serve()
    (line,) = [each for each in logs if each["event"] == "background task failed"]
    assert isinstance(line["exc_info"], ZeroDivisionError)
    assert not server.server_state.connections


async def test_an_application_whose_background_task_fails_ends_the_server_with_an_error() -> None:
    failing = asyncio.Event()

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail())
            yield

    async def fail() -> None:
        await failing.wait()
        raise ZeroDivisionError("in the background")

    server = server_of(Litestar([], lifespan=[lifespan]))
    async with asyncio.timeout(GENEROUS_S):
        serving = asyncio.create_task(server.serve())
        await until_started(server)
        failing.set()
        with pytest.raises(TrenovaError, match="a part of it failed"):
            await serving


async def test_a_failing_delivery_of_spooled_batches_ends_the_api_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def fail(_: Drain) -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError("while delivering")

    monkeypatch.setattr(Drain, "run", fail)
    monkeypatch.setattr(Breaker, "doubt", lambda _: None)
    with Spool.open(tmp_path, MIB) as spool:
        api = app.create(Settings(), MagicMock(), MagicMock(), LedgerKeys(prefix="audit.example.com"), spool=spool)
        async with asyncio.timeout(GENEROUS_S):
            with pytest.raises(TrenovaError, match="a part of it failed"):
                await server_of(api).serve()
