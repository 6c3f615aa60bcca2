"""The sockets that a server listens on, and an address that cannot be had told as a setting to change."""

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from trenova.errors import InvalidConfiguration

UNPRIVILEGED = 1024  # the lowest port that every user may listen on, unless the system says otherwise
# This machine speaks only one of IPv4 and IPv6; a name such as `localhost` stands for an address of each.
NO_SUCH_FAMILY = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


@contextmanager
def listen_on(host: str, port: int, *, setting: str) -> Iterator[list[socket.socket]]:
    """Sockets that listen on every address of `host`, closed in the end.

    `setting` is what changes the port, as `api.port (TRENOVA_API__PORT)`.
    Raises InvalidConfiguration for an address that cannot be had.
    """
    refused: list[OSError] = []
    with ExitStack() as held:
        sockets = []
        for address in resolve_addresses(host, port, setting):
            try:
                sockets.append(held.enter_context(open_listener(address)))
            except OSError as error:
                if error.errno not in NO_SUCH_FAMILY:
                    raise listen_error(error, host, port, setting) from None
                refused.append(error)
        if not sockets:
            raise listen_error(refused[0], host, port, setting) from None
        yield sockets


Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


def resolve_addresses(host: str, port: int, setting: str) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        problem = f"{host} cannot be resolved: {error.strerror or error}"
        raise InvalidConfiguration([problem], hint=f"correct the host beside {setting}") from None
    return list(dict.fromkeys((family, where) for family, _, _, _, where in found))


def open_listener(address: Address) -> socket.socket:
    family, where = address
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(where)
        opened.listen()
    except OSError:
        opened.close()
        raise
    return opened


def listen_error(error: OSError, host: str, port: int, setting: str) -> InvalidConfiguration:
    """The error to raise, with the next step that fits it."""
    where = f"port {port} on {host}"
    problem, step = f"{where} cannot be listened on: {error.strerror or error}", f"choose another port with {setting}"
    if error.errno == errno.EADDRINUSE:
        problem, step = f"{where} is already in use", f"stop the program that has it, or {step}"
    elif error.errno in NO_SUCH_FAMILY:
        problem, step = f"{host} is not an address of this machine", f"correct the host beside {setting}"
    elif error.errno in {errno.EACCES, errno.EPERM} and port < UNPRIVILEGED:
        problem = f"{where}: permission denied; ports below {UNPRIVILEGED} are for privileged programs"
        step = f"choose a port from {UNPRIVILEGED} up with {setting}, or give the program CAP_NET_BIND_SERVICE"
    return InvalidConfiguration([problem], hint=step)
