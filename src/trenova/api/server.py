"""The API as a process."""

import asyncio
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager

import structlog
import uvicorn

from trenova.api import app
from trenova.api.codec import remote_codec
from trenova.api.log_keys import log_keys_of
from trenova.codec.layered_codec import MAX_SENT_BYTES
from trenova.config import DatabaseSettings, Settings
from trenova.errors import InvalidConfiguration, Unavailable
from trenova.ingest import Spool
from trenova.runtime import bootstrap
from trenova.runtime.connection import connect
from trenova.runtime.http.listening import listening
from trenova.runtime.http.server import server_config
from trenova.runtime.process import run_to_end
from trenova.runtime.systemd import READY, STOPPING, ServiceManager
from trenova.store import Store

log = structlog.get_logger()

PORT_SETTING = "api.port (TRENOVA_API__PORT)"


def run(settings: Settings, environ: Mapping[str, str]) -> None:
    """Serve until SIGTERM or Ctrl-C, then answer the requests that are under way and end. `environ` holds the keys."""
    run_to_end(serve(settings, environ))


async def serve(settings: Settings, environ: Mapping[str, str]) -> None:
    process = bootstrap.start("api", settings, environ, sdk_metrics=True, max_sent_bytes=MAX_SENT_BYTES)
    remote = remote_codec(settings.api, settings.temporal.security, process.keyring)
    # Lazy: the API comes up while Temporal is unreachable, and says so in /readyz and in its 503 answers.
    client = await connect(settings.temporal, process.converter, lazy=True, runtime=process.sdk.runtime)
    async with AsyncExitStack() as held:
        spool = held.enter_context(spool_of(settings))
        store = await held.enter_async_context(store_of(process.database_url, settings.database))
        log_keys = log_keys_of(settings, environ)
        application = app.create(settings, store, client, log_keys, remote, spool=spool, core=process.sdk)
        server = Server(server_config(application, drain_s=settings.api.drain_seconds), process.manager)

        await check_at_start(store)
        # From here on clients may connect; they are answered as soon as the application has started.
        listeners = held.enter_context(listening(settings.api.host, settings.api.port, setting=PORT_SETTING))
        log.info("api starting", url=f"http://{settings.api.host}:{settings.api.port}", pid=os.getpid())
        background = [
            asyncio.create_task(process.manager.send_keepalives()),
            asyncio.create_task(stop_when_set(process.stop, server)),
        ]
        await server.serve(listeners)
        for task in background:
            task.cancel()


async def stop_when_set(stop: asyncio.Event, server: uvicorn.Server) -> None:
    """Stop the server on a signal that came before uvicorn installed its own handlers.

    uvicorn raises the signals that it handled once more after a graceful end; they set `stop` again, which is harmless.
    """
    await stop.wait()
    server.should_exit = True


class Server(uvicorn.Server):
    """One that tells the service manager when it listens, and when it ends."""

    def __init__(self, config: uvicorn.Config, manager: ServiceManager) -> None:
        super().__init__(config)
        self.manager = manager

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.manager.notify(READY)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.manager.notify(STOPPING)
        await super().shutdown(sockets)


def store_of(url: str, database: DatabaseSettings) -> AbstractAsyncContextManager[Store]:
    return Store.open(url, pool_size=database.pool_size, search_pool_size=database.search_pool_size)


async def check_at_start(store: Store) -> None:
    """A wrong schema stops the process; a database that is away does not: it answers 503 until there is one."""
    try:
        await store.check()
    except Unavailable as error:
        log.warning("started without a database", error=error.message, hint=error.hint)


@contextmanager
def spool_of(settings: Settings) -> Iterator[Spool | None]:
    """The spool if there is to be one. Raises InvalidConfiguration when it would keep entries in plain text."""
    spool = settings.api.spool
    if spool.folder is None:
        yield None
        return
    if not settings.temporal.security.enable_encryption:
        problem = (
            f"api.spool.folder: {spool.folder} given with temporal.security.enableEncryption: false, expected true: "
            "a spool holds batches as they are sent to Temporal"
        )
        raise InvalidConfiguration(
            [problem], hint="turn temporal.security.enableEncryption on, or set api.spool.folder to null"
        )
    with Spool.open(spool.folder, spool.max_bytes) as opened:
        yield opened
