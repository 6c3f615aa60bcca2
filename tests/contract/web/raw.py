"""Connections that send raw bytes, and a server to test with them."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import uvicorn

from conftest import GENEROUS_S
from trenova.dev.ports import choose
from trenova.runtime.http.limits import ConnectionLimits
from trenova.runtime.http.server import server_config

STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with what arrived. `/unread` does not read the body, `/large` answers with many bytes."""
    body = b""
    while scope["path"] != "/unread":
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    request = {"method": scope["method"], "path": scope["path"], "query": scope["query_string"].decode()}
    headers = [name.decode() for name, _ in scope["headers"]]
    answer = json.dumps({**request, "body": body.decode(), "headers": headers}).encode()
    if scope["path"] == "/large":
        answer = bytes(16 << 20)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(answer))]})
    await send({"type": "http.response.body", "body": answer})


@asynccontextmanager
async def serve_raw(limits: ConnectionLimits, app: Any = echo) -> AsyncIterator[int]:
    """The port of a server with these limits."""
    port = choose()
    server = uvicorn.Server(server_config(app, limits=limits, drain_s=1, lifespan=False, port=port))
    running = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(GENEROUS_S):
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.02)
        yield port
    finally:
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await running


@dataclass(frozen=True, slots=True)
class Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def send_forever(self, piece: bytes) -> int:
        """Send this repeatedly until the server closes; return the number of bytes sent."""
        sent = 0
        with suppress(ConnectionError):
            while not self.reader.at_eof():
                self.writer.write(piece)
                await self.writer.drain()
                sent += len(piece)
        return sent

    async def rest(self) -> bytes:
        """Everything that still arrives until the server closes."""
        found = b""
        with suppress(ConnectionError):
            async with asyncio.timeout(GENEROUS_S):
                while piece := await self.reader.read(65536):
                    found += piece
        return found

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of the next answer."""
        async with asyncio.timeout(GENEROUS_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            body = await self.reader.readexactly(int(length[1]) if length else 0)
        status = STATUS.match(head)
        assert status is not None
        return int(status[1]), body


@asynccontextmanager
async def connect_to(port: int) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def statuses(answers: bytes) -> list[int]:
    return [int(status) for status in STATUS.findall(answers)]
