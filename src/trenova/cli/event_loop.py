"""Short commands that talk to Temporal, whose SDK has threads of its own."""

import asyncio
import socket
import threading
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

# A thread of the SDK needs the interpreter once more after it has handed over an answer. If that has ended by then, the
# process aborts after all its work is done (temporalio/sdk-python#300; nearly every second time, without the pause).
PAUSE_S = 0.1

Result = TypeVar("Result")
# As `socket.getaddrinfo` gives it.
Addresses = list[tuple[Any, Any, int, str, Any]]


class Loop(asyncio.SelectorEventLoop):
    """Whose end waits for no name that is still being looked up.

    No lookup can be called off, and a name server that does not answer makes one last for half a minute. The threads
    of asyncio's own loop, and those of uvloop, are waited for when the loop is closed.
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
        found: asyncio.Future[Addresses] = self.create_future()

        def take(addresses: Addresses, error: BaseException | None) -> None:
            if found.done():
                return  # nobody waits any more
            if error is None:
                found.set_result(addresses)
            else:
                found.set_exception(error)

        def look_up() -> None:
            addresses: Addresses = []
            error: BaseException | None = None
            try:
                addresses = socket.getaddrinfo(host, port, family, type, proto, flags)
            except (OSError, UnicodeError) as met:
                error = met
            with suppress(RuntimeError):  # the loop has been closed
                self.call_soon_threadsafe(take, addresses, error)

        threading.Thread(target=look_up, daemon=True, name="lookup").start()
        return await found


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """What `work` returns or raises, with time for the SDK's threads to let go."""
    try:
        with asyncio.Runner(loop_factory=Loop) as runner:
            return runner.run(work)
    finally:
        time.sleep(PAUSE_S)
