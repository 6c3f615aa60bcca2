"""What the service manager (systemd) is told of a process, as `sd_notify(3)` defines it: it is ready, lives, stops.

Nothing is sent, and nothing costs anything, where no manager asks for it by `NOTIFY_SOCKET`. May import: nothing.
"""

import asyncio
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

READY, ALIVE, STOPPING = b"READY=1", b"WATCHDOG=1", b"STOPPING=1"


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """Where it listens, None for nowhere, and how long it waits for the next sign of life, None for ever."""

    address: str | None = None
    watchdog_s: float | None = None

    def notify(self, message: bytes) -> None:
        """Send it, or not at all: a manager that does not listen must not stop what it manages."""
        if self.address is None:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
            sending.setblocking(False)
            sending.sendto(message, self.address)

    async def send_keepalives(self) -> None:
        """Signs of life from the running loop until cancelled. A loop that is stuck sends none, and is killed."""
        while self.watchdog_s is not None:
            self.notify(ALIVE)
            await asyncio.sleep(self.watchdog_s / 2)


def service_manager_of(environ: Mapping[str, str], pid: int) -> ServiceManager:
    """The manager that has started this process. A watchdog that waits for another process' signs is none of ours."""
    address = environ.get("NOTIFY_SOCKET") or None
    if address and address.startswith("@"):
        address = "\0" + address[1:]  # an abstract socket
    waits = environ.get("WATCHDOG_USEC", "")
    asked = environ.get("WATCHDOG_PID") in {None, str(pid)} and waits.isdecimal() and int(waits) > 0
    return ServiceManager(address, int(waits) / 1_000_000 if asked else None)
