"""The event loop of short commands that talk to Temporal, whose SDK has threads of its own."""

import asyncio
import socket
import threading
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

# A thread of the SDK needs the interpreter once more after it has delivered an answer. If the interpreter has exited by
# then, the process aborts after all its work is done (temporalio/sdk-python#300; in nearly half of the runs).
PAUSE_S = 0.1

Result = TypeVar("Result")
# As `socket.getaddrinfo` returns it.
Addresses = list[tuple[Any, Any, int, str, Any]]


class DetachedLookupLoop(asyncio.SelectorEventLoop):
    """A loop that does not wait for unfinished name lookups when it closes.

    A lookup cannot be cancelled, and lasts half a minute when the name server does not answer. asyncio's own loop and
    uvloop wait for their lookup threads when they are closed.
    """

    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - asyncio's own name
        proto: int = 0,
        flags: int = 0,
    ) -> Addresses:
        result: asyncio.Future[Addresses] = self.create_future()

        def deliver(addresses: Addresses, error: BaseException | None) -> None:
            if result.done():
                return  # the caller was cancelled
            if error is None:
                result.set_result(addresses)
            else:
                result.set_exception(error)

        def look_up() -> None:
            addresses: Addresses = []
            error: BaseException | None = None
            try:
                addresses = socket.getaddrinfo(host, port, family, type, proto, flags)
            except (OSError, UnicodeError) as caught:
                error = caught
            with suppress(RuntimeError):  # the loop has been closed
                self.call_soon_threadsafe(deliver, addresses, error)

        threading.Thread(target=look_up, daemon=True, name="lookup").start()
        return await result


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run `work` to its end, then leave the SDK's threads time to finish."""
    try:
        with asyncio.Runner(loop_factory=DetachedLookupLoop) as runner:
            return runner.run(work)
    finally:
        time.sleep(PAUSE_S)
