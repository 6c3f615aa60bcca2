"""What our server processes share: their event loop, their stop signals, and the address of their database."""

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine
from typing import Any

from trenova.config import Settings
from trenova.errors import InvalidConfiguration
from trenova.runtime.event_loop import PAUSE_S
from trenova.runtime.heap import limit_heaps


def run_to_end(program: Coroutine[Any, Any, None]) -> None:
    """Run the program of this process until it returns, with time for the SDK's threads to finish."""
    limit_heaps()
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(program)
    finally:
        time.sleep(PAUSE_S)


def new_event_loop() -> asyncio.AbstractEventLoop:
    import uvloop  # noqa: PLC0415 - not available on every platform

    return uvloop.new_event_loop()


def on_stop_signal(call: Callable[[], object]) -> None:
    """Make the running loop call this on every SIGTERM and Ctrl-C instead of ending the process."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, call)


def database_url(settings: Settings) -> str:
    """The address of the database, with its password. Raises InvalidConfiguration if none is set."""
    if settings.database.url is None:
        raise InvalidConfiguration(
            ["database.url: nothing given, expected postgresql://user:password@host:5432/trenova"],
            hint="set it in config/config.yaml or TRENOVA_DATABASE__URL, or start a database with `make dev`",
        )
    return settings.database.url.get_secret_value()
