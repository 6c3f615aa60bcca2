"""Ports: is this one free, who holds it, and which is free."""

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
# Below the range from which the kernel takes the local ports of outgoing connections: a server that is restarted must
# get its port back, and a client that retries while it is away must not meet itself there.
FREE_PORTS = range(15_000, 32_000)
TRIES = 200
HIGHEST = 65_535
# A program that chooses more ports than this lets the first ones go: each costs a file descriptor.
MOST_RESERVED = 256

# Bound, and not listened on. A server may bind the same port, as every server sets SO_REUSEADDR; another `choose`, here
# or in another process, may not. Descriptors: the kernel closes them when this process ends, however it does.
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
    """A free port that no other `choose` gives while this process lives.

    What does not ask here can still take it: a start that loses that race fails and is tried again.
    """
    for port in random.sample(FREE_PORTS, TRIES):
        if reserve(port):
            return port
    raise PartFailed(
        f"no free port found in {TRIES} tries between {FREE_PORTS.start} and {FREE_PORTS.stop - 1}",
        hint="stop some of the servers that run on this machine",
    )


def choose_again(record: Path) -> int:
    """The port of the last time, as `record` has it, if it is still free; else a new one, written there."""
    with suppress(FileNotFoundError, ValueError):
        last = int(record.read_text(encoding="ascii"))
        if last in FREE_PORTS and is_free(last):
            return last
    port = choose()
    record.write_text(f"{port}\n", encoding="ascii")
    return port


def reserve(port: int) -> bool:
    """Hold a port that nobody has or holds; False where somebody does."""
    held = socket.socket()
    try:
        # Bound without SO_REUSEADDR, which would let two of us hold one port; set afterwards, it lets the server in.
        held.bind((LOCALHOST, port))
    except OSError:
        held.close()
        return False
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if len(_reserved) == MOST_RESERVED:
        os.close(_reserved.popleft())
    _reserved.append(held.detach())
    return True


def check(wanted: Mapping[str, int], *, besides: Collection[int] = ()) -> None:
    """Raise for the first flag whose port cannot be had. `wanted` maps flags to ports.

    What the processes `besides` hold can be had: they are about to end.
    """
    taken: dict[int, str] = {}
    for flag, port in wanted.items():
        if not 1 <= port <= HIGHEST:
            raise PartFailed(f"{flag} {port} is not a port", hint=f"give a number from 1 to {HIGHEST}")
        if port in taken:
            raise PartFailed(f"{taken[port]} and {flag} are both {port}", hint="give each its own port")
        taken[port] = flag
        if not is_free(port) and not any(listens(pid, port) for pid in besides):
            raise PartFailed(
                f"port {port} ({flag}) is taken{holder(port)}", hint=f"stop that program or choose another {flag}"
            )


def listens(pid: int, port: int) -> bool:
    """Whether this very process serves the port. Another program's answer there must not pass for ours."""
    try:
        connections = psutil.Process(pid).net_connections(kind="tcp")
    except psutil.NoSuchProcess:
        return False
    return any(connection.status == psutil.CONN_LISTEN and connection.laddr.port == port for connection in connections)


def holder(port: int) -> str:
    """` by name (pid 1)` when the system tells, else nothing: other users' sockets are often hidden."""
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            local = connection.laddr
            if connection.status == psutil.CONN_LISTEN and local and local.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return ""
