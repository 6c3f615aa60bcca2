"""A connection between two parts that a fault can disturb: a small TCP relay that cuts, slows or hangs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from trenova.dev.ports import LOCALHOST, choose

CHUNK_BYTES = 64 * 1024


class Link:
    """Relays from its own port to another. `delay_s` is added to each chunk; while it hangs nothing passes."""

    def __init__(self, name: str, to_port: int) -> None:
        self.name = name
        self.port = choose()
        self.to_port = to_port
        self.delay_s = 0.0
        self._passes = asyncio.Event()
        self._passes.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._relays: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Link"]:
        server = await asyncio.start_server(self._accept, LOCALHOST, self.port)
        try:
            yield self
        finally:
            server.close()
            self.cut()
            for relay in self._relays:
                relay.cancel()
            await asyncio.gather(*self._relays, return_exceptions=True)

    def cut(self) -> None:
        """Reset every connection, whatever is on its way."""
        for writer in self._writers:
            writer.transport.abort()

    def hang(self) -> None:
        self._passes.clear()

    def flow(self) -> None:
        self._passes.set()

    async def _accept(self, near_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(LOCALHOST, self.to_port)
        except OSError:
            near_writer.transport.abort()  # no listener: the caller sees a connection that is reset
            return
        pair = {near_writer, far_writer}
        self._writers |= pair
        ways = [
            asyncio.create_task(self._relay(near_reader, far_writer)),
            asyncio.create_task(self._relay(far_reader, near_writer)),
        ]
        self._relays.update(ways)
        try:
            with suppress(OSError):
                await asyncio.gather(*ways)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._relays.difference_update(ways)
            self._writers -= pair
            for writer in pair:
                writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction, to its end. A reset on one side raises OSError and becomes one on the other."""
        while data := await reader.read(CHUNK_BYTES):
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            await self._passes.wait()
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()  # the other direction may still have data
