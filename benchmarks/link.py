"""A TCP connection with latency: data is forwarded in order after a delay, without a limit on the data in transit."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from trenova.dev.ports import LOCALHOST

CHUNK_BYTES = 256 * 1024


@asynccontextmanager
async def far(port: int, delay_s: float) -> AsyncIterator[int]:
    """A port that forwards to `port` with a delay of `delay_s` in each direction."""
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
    """Forward one direction to its end. Reading continues during the delay: latency does not limit the throughput."""
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
