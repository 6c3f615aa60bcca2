"""A TCP proxy before a server; it loses requests or answers on demand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal

Mode = Literal["pass", "lose answers", "lose requests", "refuse"]


class LossyProxy:
    """`lose answers`: the server gets everything, the client nothing. `lose requests`: the server gets nothing."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.mode: Mode = "pass"
        self.connections: set[asyncio.StreamWriter] = set()
        self.lost = asyncio.Event()
        """Set once something was lost."""
        self.delay_s = 0.0
        """The delay in each direction."""
        self.attempts = 0
        """The number of connections that clients tried to open."""
        self.port = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator["LossyProxy"]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()

    def cut(self) -> None:
        """Close every connection, as a network or a restart does."""
        for writer in list(self.connections):
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.attempts += 1
        if self.mode == "refuse":
            writer.close()
            return
        there, back = await asyncio.open_connection(*self.target)
        self.connections |= {writer, back}
        with suppress(ConnectionError):
            await asyncio.gather(
                self.copy(reader, back, "lose requests"),
                self.copy(there, writer, "lose answers"),
                return_exceptions=True,
            )
        for each in (writer, back):
            self.connections.discard(each)
            each.close()

    async def copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, losing: Mode) -> None:
        try:
            while data := await source.read(65536):
                if self.mode == losing:
                    self.lost.set()
                    continue
                await asyncio.sleep(self.delay_s)
                sink.write(data)
                await sink.drain()
        finally:
            sink.close()
