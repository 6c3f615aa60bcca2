"""The API server process."""

import asyncio
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager

import structlog
import uvicorn
from uvicorn.lifespan.on import LifespanOn

from trenova.api import app
from trenova.api.codec import remote_codec
from trenova.api.ledger_keys import load_ledger_keys
from trenova.codec.layered_codec import MAX_SENT_BYTES
from trenova.config import DatabaseSettings, Settings
from trenova.errors import InvalidConfiguration, TrenovaError, Unavailable
from trenova.ingest import Spool
from trenova.runtime import bootstrap
from trenova.runtime.connection import connect
from trenova.runtime.http.listening import listen_on
from trenova.runtime.http.server import server_config
from trenova.runtime.process import run_to_end
from trenova.runtime.systemd import READY, STOPPING, ServiceManager
from trenova.store import Store

log = structlog.get_logger()

PORT_SETTING = "api.port (TRENOVA_API__PORT)"


def run(settings: Settings, environ: Mapping[str, str]) -> None:
    """Serve until SIGTERM or Ctrl-C, then answer the requests under way and end. `environ` holds the keys."""
    run_to_end(serve(settings, environ))


async def serve(settings: Settings, environ: Mapping[str, str]) -> None:
    process = bootstrap.start("api", settings, environ, sdk_metrics=True, max_sent_bytes=MAX_SENT_BYTES)
    remote = remote_codec(settings.api, settings.temporal.security, process.keyring)
    # Lazy: the API comes up while Temporal is unreachable, and says so in /readyz and in its 503 answers.
    client = await connect(settings.temporal, process.converter, lazy=True, runtime=process.sdk.runtime)
    async with AsyncExitStack() as resources:
        spool = resources.enter_context(spool_of(settings))
        store = await resources.enter_async_context(store_of(process.database_url, settings.database))
        ledger_keys = load_ledger_keys(settings, environ)
        application = app.create(settings, store, client, ledger_keys, remote, spool=spool, core=process.sdk)
        config = server_config(application, drain_s=settings.api.drain_seconds)
        server = Server(config, process.manager, process.stop)
        await check_at_start(store)
        # From here on clients may connect; they are answered as soon as the application has started.
        listeners = resources.enter_context(listen_on(settings.api.host, settings.api.port, setting=PORT_SETTING))
        log.info("api starting", url=f"http://{settings.api.host}:{settings.api.port}", pid=os.getpid())
        await server.serve(listeners)


class Server(uvicorn.Server):
    """uvicorn's server with the tasks that run beside it. One of them that fails unexpectedly stops it."""

    def __init__(self, config: uvicorn.Config, manager: ServiceManager, stop: asyncio.Event) -> None:
        super().__init__(config)
        self.manager = manager
        self.stop = stop
        self.task_failed = False

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until stopped. Raises TrenovaError when the application or a background task has failed."""
        await super().serve(sockets)
        if self.task_failed or self.application_failed:
            raise TrenovaError(
                "the API server stopped because a part of it failed",
                hint="the log shows the part and its error before this; report it, and start the server again",
            )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.manager.notify(READY)

    async def main_loop(self) -> None:
        """Run the background tasks while the server answers. Requests under way are answered after this in any case."""
        try:
            async with asyncio.TaskGroup() as background:
                tasks = [
                    background.create_task(self.manager.send_keepalives()),
                    background.create_task(self.stop_when_set()),
                ]
                await super().main_loop()
                for task in tasks:
                    task.cancel()
        except* Exception as failures:
            self.task_failed = True
            for failure in failures.exceptions:
                log.error("background task failed", exc_info=failure)  # noqa: TRY400 - each with its own cause

    async def stop_when_set(self) -> None:
        """Stop on a signal that came before uvicorn installed its own handlers.

        uvicorn raises the signals that it handled once more after a graceful end; they set `stop` again, which is
        harmless.
        """
        await self.stop.wait()
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop. uvicorn itself would go on without the tasks of an application whose lifespan has failed."""
        return await super().on_tick(counter) or self.application_failed

    @property
    def application_failed(self) -> bool:
        return isinstance(self.lifespan, LifespanOn) and self.lifespan.error_occurred

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.manager.notify(STOPPING)
        await super().shutdown(sockets)


def store_of(url: str, database: DatabaseSettings) -> AbstractAsyncContextManager[Store]:
    return Store.open(url, pool_size=database.pool_size, search_pool_size=database.search_pool_size)


async def check_at_start(store: Store) -> None:
    """Stop on a wrong schema. A database that is unreachable does not stop the process: it answers 503 meanwhile."""
    try:
        await store.check()
    except Unavailable as error:
        log.warning("started without a database", error=error.message, hint=error.hint)


@contextmanager
def spool_of(settings: Settings) -> Iterator[Spool | None]:
    """The spool, if one is configured. Raises InvalidConfiguration if it would hold entries in plain text."""
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
    with Spool.open(spool.folder, spool.max_bytes) as open_spool:
        yield open_spool
