"""The API as a process."""

import asyncio
import os

import structlog
import uvicorn

from trenova.api import app
from trenova.codec.converter import data_converter
from trenova.config import Settings
from trenova.connection import connect
from trenova.errors import InvalidConfiguration, Unavailable
from trenova.store import Store

log = structlog.get_logger()


def run(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C, then answer the requests that are under way and end."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(serve(settings))


async def serve(settings: Settings) -> None:
    if settings.database.url is None:
        raise InvalidConfiguration(["database.url: nothing given, expected postgresql://…"])
    # Lazy: the API comes up while Temporal is away, and says so in /readyz and in its 503 answers.
    client = await connect(settings.temporal, data_converter(), lazy=True)
    async with Store.open(settings.database.url.get_secret_value(), pool_size=settings.database.pool_size) as store:
        await check_at_start(store)
        server = uvicorn.Server(
            uvicorn.Config(
                app.create(settings, store, client),
                host=settings.api.host,
                port=settings.api.port,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=settings.api.drain_seconds,
            )
        )
        log.info("api starting", url=f"http://{settings.api.host}:{settings.api.port}", pid=os.getpid())
        await server.serve()


async def check_at_start(store: Store) -> None:
    """A wrong schema stops the process; a database that is away does not: it answers 503 until there is one."""
    try:
        await store.check()
    except Unavailable as error:
        log.warning("started without a database", error=error.message, hint=error.hint)


def new_event_loop() -> asyncio.AbstractEventLoop:
    import uvloop  # noqa: PLC0415 - not there on every platform

    return uvloop.new_event_loop()
