"""The worker's HTTP pages for probes and for Prometheus: `/livez`, `/readyz`, `/metrics`.

They need no credentials: they hold numbers and reasons, but no content, no tenant and no key.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from trenova.config import HealthSettings
from trenova.runtime.http.listening import listen_on
from trenova.runtime.http.request_ids import RequestIds
from trenova.runtime.http.server import server_config
from trenova.runtime.temporal_sdk import SdkRuntime
from trenova.worker.metrics import READY
from trenova.worker.readiness import Readiness

log = structlog.get_logger()

PLAIN, JSON = "text/plain; charset=utf-8", "application/json"
PORT_SETTING = "worker.health.port (TRENOVA_WORKER__HEALTH__PORT)"
Answer = tuple[HTTPStatus, str, bytes]


@dataclass(frozen=True, slots=True)
class Pages:
    """The ASGI application. It runs in the worker's event loop, so a blocked loop does not answer."""

    readiness: Readiness
    sdk: SdkRuntime

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        status, kind, body = await self.answer(scope["method"], scope["path"])
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body if scope["method"] == "GET" else b""})

    async def answer(self, method: str, path: str) -> Answer:
        if method not in {"GET", "HEAD"}:
            return HTTPStatus.METHOD_NOT_ALLOWED, PLAIN, b"only GET is allowed\n"
        if path == "/livez":
            return HTTPStatus.OK, PLAIN, b"ok"
        ready = self.readiness.current()
        if path == "/readyz":
            status = HTTPStatus.OK if ready.ready else HTTPStatus.SERVICE_UNAVAILABLE
            return status, JSON, msgspec.json.encode(ready)
        if path == "/metrics":
            READY.set(ready.ready)
            return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest() + await self.sdk.metrics()
        return HTTPStatus.NOT_FOUND, PLAIN, b"no such page; there are /livez, /readyz and /metrics\n"


class Server(uvicorn.Server):
    """A uvicorn server that leaves signals to its process."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()


@asynccontextmanager
async def serve(health: HealthSettings, pages: Pages) -> AsyncIterator[None]:
    """Serve the pages until the block ends. Without a port, do nothing."""
    if health.port is None:
        yield
        return
    with listen_on(health.host, health.port, setting=PORT_SETTING) as sockets:
        server = Server(server_config(RequestIds(pages), drain_s=1, lifespan=False))
        serving = asyncio.create_task(server.serve(sockets=sockets))
        log.info("worker health served", url=f"http://{health.host}:{health.port}")
        try:
            yield
        finally:
            server.should_exit = True
            await serving
