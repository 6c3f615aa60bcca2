"""Ports: choosing a free one, and reporting which process holds a taken one."""

import os
import random
import socket
from collections import deque
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from trenova.errors import PartFailed

LOCALHOST = "127.0.0.1"
# Below the range from which the kernel takes the local ports of outgoing connections: a restarted server must get its
# port back, and a client that retries while the server is down must not connect to itself there.
FREE_PORTS = range(15_000, 32_000)
ATTEMPTS = 200
HIGHEST = 65_535
# A program that chooses more ports than this releases the oldest: each costs a file descriptor.
MOST_RESERVED = 256

# Bound, but not listened on. A server may bind the same port, as every server sets SO_REUSEADDR; another `choose`, here
# or in another process, may not. The kernel closes these descriptors when this process ends, even if it is killed.
_reserved: deque[int] = deque()


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOCALHOST, port))
        except OSError:
            return False
    return True


def choose() -> int:
    """A free port that no other `choose` returns while this process lives.

    Other programs can still take it: a start that loses that race fails and is retried.
    """
    for port in random.sample(FREE_PORTS, ATTEMPTS):
        if reserve(port):
            return port
    raise PartFailed(
        f"no free port found in {ATTEMPTS} attempts between {FREE_PORTS.start} and {FREE_PORTS.stop - 1}",
        hint="stop some of the servers on this machine",
    )


def choose_same(record: Path) -> int:
    """The port of the previous start, read from `record`, if it is still free; else a new one, written to `record`."""
    with suppress(FileNotFoundError, ValueError):
        last = int(record.read_text(encoding="ascii"))
        if last in FREE_PORTS and is_free(last):
            return last
    port = choose()
    record.write_text(f"{port}\n", encoding="ascii")
    return port


def reserve(port: int) -> bool:
    """Reserve a port; False if it is taken or reserved already."""
    reservation = socket.socket()
    try:
        # Bound without SO_REUSEADDR, which would allow two reservations; set afterwards, it lets the server bind.
        reservation.bind((LOCALHOST, port))
    except OSError:
        reservation.close()
        return False
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if len(_reserved) == MOST_RESERVED:
        os.close(_reserved.popleft())
    _reserved.append(reservation.detach())
    return True


def check(wanted: Mapping[str, int], *, besides: Collection[int] = ()) -> None:
    """Raise PartFailed for the first flag whose port is not available. `wanted` maps flags to ports.

    Ports that the processes `besides` serve count as available: those processes are about to end.
    """
    taken: dict[int, str] = {}
    for flag, port in wanted.items():
        if not 1 <= port <= HIGHEST:
            raise PartFailed(f"{flag} {port} is not a port number", hint=f"give a number from 1 to {HIGHEST}")
        if port in taken:
            raise PartFailed(f"{taken[port]} and {flag} are both {port}", hint="give each its own port")
        taken[port] = flag
        if not is_free(port) and not any(is_listening(pid, port) for pid in besides):
            raise PartFailed(
                f"port {port} ({flag}) is already in use{describe_holder(port)}",
                hint=f"stop that program, or choose another port with {flag}",
            )


def is_listening(pid: int, port: int) -> bool:
    """Whether exactly this process listens on the port. Another program's answer there must not pass for ours."""
    try:
        connections = psutil.Process(pid).net_connections(kind="tcp")
    except psutil.NoSuchProcess:
        return False
    return any(connection.status == psutil.CONN_LISTEN and connection.laddr.port == port for connection in connections)


def describe_holder(port: int) -> str:
    """` by name (pid 1)`; empty where the system does not say, as other users' sockets are often hidden."""
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            local = connection.laddr
            if connection.status == psutil.CONN_LISTEN and local and local.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return ""
