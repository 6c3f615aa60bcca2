"""A TCP connection that takes time: whatever comes in goes out in order, so much later, however much is under way."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from trenova.dev.ports import LOCALHOST

CHUNK_BYTES = 256 * 1024


@asynccontextmanager
async def far(port: int, delay_s: float) -> AsyncIterator[int]:
    """A port that leads to `port`, `delay_s` away each way."""
    server = await asyncio.start_server(partial(connect, port, delay_s), LOCALHOST, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def connect(
    port: int, delay_s: float, near_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter
) -> None:
    far_reader, far_writer = await asyncio.open_connection(LOCALHOST, port)
    await asyncio.gather(carry(near_reader, far_writer, delay_s), carry(far_reader, near_writer, delay_s))


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """One direction to its end. Reads on while earlier chunks are under way: a distance delays, it does not narrow."""
    under_way: deque[bytes] = deque()

    def arrive() -> None:
        if data := under_way.popleft():
            writer.write(data)
        else:
            writer.close()

    data = b"-"
    while data:
        data = b""
        with suppress(ConnectionError):
            data = await reader.read(CHUNK_BYTES)
        under_way.append(data)
        asyncio.get_running_loop().call_later(delay_s, arrive)
