"""Notifications to the service manager (systemd) by `sd_notify(3)`: ready, alive, stopping.

Nothing is sent unless the manager asks for it by `NOTIFY_SOCKET`.
"""

import asyncio
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

READY, ALIVE, STOPPING = b"READY=1", b"WATCHDOG=1", b"STOPPING=1"


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """Its socket, None for none, and the interval of its watchdog, None for no watchdog."""

    address: str | None = None
    watchdog_s: float | None = None

    def notify(self, message: bytes) -> None:
        """Send the message if possible: a manager that does not listen must not stop the process."""
        if self.address is None:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
            sending.setblocking(False)
            sending.sendto(message, self.address)

    async def send_keepalives(self) -> None:
        """Send keepalives from the running loop until cancelled. A blocked loop sends none, and is killed."""
        while self.watchdog_s is not None:
            self.notify(ALIVE)
            await asyncio.sleep(self.watchdog_s / 2)


def service_manager_of(environ: Mapping[str, str], pid: int) -> ServiceManager:
    """The manager that started this process. A watchdog that expects keepalives of another process is ignored."""
    address = environ.get("NOTIFY_SOCKET") or None
    if address and address.startswith("@"):
        address = "\0" + address[1:]  # an abstract socket
    interval_us = environ.get("WATCHDOG_USEC", "")
    is_ours = environ.get("WATCHDOG_PID") in {None, str(pid)}
    has_watchdog = is_ours and interval_us.isdecimal() and int(interval_us) > 0
    return ServiceManager(address, int(interval_us) / 1_000_000 if has_watchdog else None)
