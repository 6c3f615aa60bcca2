"""Servers that may answer at Temporal's address: a TLS proxy, one that requires an API key, and other programs."""

import asyncio
import json
import select
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from playwright._impl._driver import compute_driver_executable

from certificates import Pair

NODE = compute_driver_executable()[0]  # the Node.js that Playwright brings
API_KEY_FRONT = Path(__file__).with_name("api_key_front.mjs")


@asynccontextmanager
async def tls_front(upstream: str, server: Pair, clients_of: Path | None = None) -> AsyncIterator[str]:
    """A TLS proxy before a real server; with `clients_of` it admits only clients certified by that authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=clients_of)
    context.load_cert_chain(server.certificate, server.key)
    context.set_alpn_protocols(["h2"])
    if clients_of is not None:
        context.verify_mode = ssl.CERT_REQUIRED

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener, context, upstream), daemon=True).start()
        yield f"localhost:{listener.getsockname()[1]}"
        # Wakes the thread that accepts, which closing alone does not.
        listener.shutdown(socket.SHUT_RDWR)


def accept(listener: socket.socket, context: ssl.SSLContext, upstream: str) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve_tls, args=(client, context, upstream), daemon=True).start()


def serve_tls(client: socket.socket, context: ssl.SSLContext, upstream: str) -> None:
    """Uses sockets because asyncio closes the connection of a rejected client before sending the TLS alert."""
    host, _, port = upstream.rpartition(":")
    with (
        suppress(OSError),
        client,
        context.wrap_socket(client, server_side=True) as here,
        socket.create_connection((host, int(port))) as there,
    ):
        while True:
            waiting = [here] if here.pending() else select.select([here, there], [], [])[0]
            for source, sink in ((here, there), (there, here)):
                if source in waiting:
                    if not (data := source.recv(65536)):
                        return
                    sink.sendall(data)


@asynccontextmanager
async def answering_server(answer: bytes) -> AsyncIterator[str]:
    """A server that sends the same answer to every client and closes the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await reader.read(1)
            writer.write(answer)
            await writer.drain()
        writer.close()

    async with address_of(await asyncio.start_server(serve, "127.0.0.1", 0)) as address:
        yield address


@asynccontextmanager
async def closing_server() -> AsyncIterator[str]:
    """A server that accepts and closes at once, like Docker's port or a load balancer before a stopped server."""
    async with address_of(await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)) as address:
        yield address


@asynccontextmanager
async def address_of(server: asyncio.Server) -> AsyncIterator[str]:
    try:
        yield f"localhost:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@asynccontextmanager
async def api_key_front(upstream: str, api_key: str, *, refused: str = "", times: int = 0) -> AsyncIterator[str]:
    """A proxy before a real server that answers only calls with this API key, as Temporal Cloud does.

    It denies the first `times` calls of the method `refused`.
    """
    async with node_server(str(API_KEY_FRONT), upstream, api_key, refused, str(times)) as address:
        yield address


@asynccontextmanager
async def http2_server(status: int, page: str = "") -> AsyncIterator[str]:
    """A proxy that answers each call itself with an HTTP status and a page."""
    answer = f"a.writeHead({status}, {{'content-type': 'text/html'}}); a.end('{page}')"
    server = f"const s = require('http2').createServer((_, a) => {{ {answer} }})"
    listen = "s.listen(0, '127.0.0.1', () => console.log(s.address().port))"
    async with node_server(
        "-e", f"{server}; {listen}; process.stdin.on('end', () => process.exit()).resume()"
    ) as address:
        yield address


@asynccontextmanager
async def node_server(*command: str) -> AsyncIterator[str]:
    """Run a Node.js server that prints its port; it is killed afterwards."""
    process = await asyncio.create_subprocess_exec(
        NODE, *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield f"localhost:{json.loads(await process.stdout.readline())}"
    finally:
        process.kill()
        await process.wait()
