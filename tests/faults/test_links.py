"""The link between two parts passes everything on, and disturbs connections on demand."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from chaos.links import Link

from conftest import GENEROUS_S
from trenova.dev.ports import LOCALHOST, choose


@asynccontextmanager
async def open_link() -> AsyncIterator[tuple[Link, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection through a link to an echo server."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, LOCALHOST, choose())
    port = server.sockets[0].getsockname()[1]
    async with server, Link("test", port).open() as link:
        reader, writer = await asyncio.open_connection(LOCALHOST, link.port)
        try:
            yield link, reader, writer
        finally:
            writer.transport.abort()


async def test_bytes_pass_in_both_directions() -> None:
    data = bytes(range(256)) * 4_000
    async with open_link() as (_, reader, writer), asyncio.timeout(GENEROUS_S):
        writer.write(data)
        assert await reader.readexactly(len(data)) == data
        writer.write_eof()
        assert await reader.read() == b""


async def test_a_cut_resets_the_connection_and_the_next_one_passes() -> None:
    async with open_link() as (link, reader, writer), asyncio.timeout(GENEROUS_S):
        writer.write(b"x")
        await reader.readexactly(1)
        link.cut()
        with suppress(
            ConnectionResetError
        ):  # a reset, or the end of the stream if the reset came while nothing was being read
            assert await reader.read() == b""
        again, other = await asyncio.open_connection(LOCALHOST, link.port)
        other.write(b"y")
        assert await again.readexactly(1) == b"y"
        other.transport.abort()


async def test_a_reset_by_the_server_reaches_the_client_as_a_reset() -> None:
    """A client that waits for an answer must learn that the server is gone."""

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    server = await asyncio.start_server(reset, LOCALHOST, choose())
    port = server.sockets[0].getsockname()[1]
    async with server, Link("test", port).open() as link, asyncio.timeout(GENEROUS_S):
        reader, writer = await asyncio.open_connection(LOCALHOST, link.port)
        writer.write(b"x")
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.transport.abort()


async def test_nothing_passes_while_it_hangs() -> None:
    async with open_link() as (link, reader, writer), asyncio.timeout(GENEROUS_S):
        link.hang()
        writer.write(b"x")
        answer = asyncio.create_task(reader.readexactly(1))
        await asyncio.sleep(0.1)
        assert not answer.done()
        link.flow()
        assert await answer == b"x"


async def test_without_a_server_the_connection_is_closed_at_once() -> None:
    async with Link("test", choose()).open() as link, asyncio.timeout(GENEROUS_S):
        reader, writer = await asyncio.open_connection(LOCALHOST, link.port)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.transport.abort()
