"""Ports: is this one free, who holds it, and which is free."""

import random
import socket
from collections.abc import Mapping
from contextlib import suppress

import psutil

from trenova.errors import PartFailed

LOCALHOST = "127.0.0.1"
# Below the range from which the kernel takes the local ports of outgoing connections: a server that is restarted must
# get its port back, and a client that retries while it is away must not meet itself there.
FREE_PORTS = range(15_000, 32_000)
TRIES = 200
HIGHEST = 65_535


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOCALHOST, port))
        except OSError:
            return False
    return True


def choose() -> int:
    """A port that is free now. Nothing reserves it: a start that loses the race fails and is tried again."""
    for port in random.sample(FREE_PORTS, TRIES):
        if is_free(port):
            return port
    raise PartFailed(
        f"no free port found in {TRIES} tries between {FREE_PORTS.start} and {FREE_PORTS.stop - 1}",
        hint="stop some of the servers that run on this machine",
    )


def check(wanted: Mapping[str, int]) -> None:
    """Raise for the first flag whose port cannot be had. `wanted` maps flags to ports."""
    taken: dict[int, str] = {}
    for flag, port in wanted.items():
        if not 1 <= port <= HIGHEST:
            raise PartFailed(f"{flag} {port} is not a port", hint=f"give a number from 1 to {HIGHEST}")
        if port in taken:
            raise PartFailed(f"{taken[port]} and {flag} are both {port}", hint="give each its own port")
        taken[port] = flag
        if not is_free(port):
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
