"""Opens the sockets that a server listens on; an address that fails is an error that names the setting."""

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from trenova.errors import InvalidConfiguration

UNPRIVILEGED = 1024  # the lowest port that any user may listen on, unless the system is configured otherwise
# The machine has only one of IPv4 and IPv6, and a name such as `localhost` has an address of each.
NO_SUCH_FAMILY = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


@contextmanager
def listen_on(host: str, port: int, *, setting: str) -> Iterator[list[socket.socket]]:
    """Sockets that listen on every address of `host`, closed when the block ends.

    `setting` names what changes the port, such as `api.port (TRENOVA_API__PORT)`. Raises InvalidConfiguration when
    the address cannot be used.
    """
    skipped: list[OSError] = []
    with ExitStack() as opened:
        sockets = []
        for address in resolve_addresses(host, port, setting):
            try:
                sockets.append(opened.enter_context(open_listener(address)))
            except OSError as error:
                if error.errno not in NO_SUCH_FAMILY:
                    raise listen_error(error, host, port, setting) from None
                skipped.append(error)
        if not sockets:
            raise listen_error(skipped[0], host, port, setting) from None
        yield sockets


Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


def resolve_addresses(host: str, port: int, setting: str) -> list[Address]:
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        problem = f"{host} cannot be resolved: {error.strerror or error}"
        raise InvalidConfiguration([problem], hint=f"correct the host beside {setting}") from None
    return list(dict.fromkeys((family, address) for family, _, _, _, address in infos))


def open_listener(address: Address) -> socket.socket:
    family, where = address
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(where)
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def listen_error(error: OSError, host: str, port: int, setting: str) -> InvalidConfiguration:
    """The error to raise, with the next step that fits its cause."""
    where = f"port {port} on {host}"
    problem, step = f"cannot listen on {where}: {error.strerror or error}", f"choose another port with {setting}"
    if error.errno == errno.EADDRINUSE:
        problem, step = f"{where} is already in use", f"stop the program that uses it, or {step}"
    elif error.errno in NO_SUCH_FAMILY:
        problem, step = f"{host} is not an address of this machine", f"correct the host beside {setting}"
    elif error.errno in {errno.EACCES, errno.EPERM} and port < UNPRIVILEGED:
        problem = f"{where}: permission denied; ports below {UNPRIVILEGED} are reserved for privileged programs"
        step = f"choose a port from {UNPRIVILEGED} up with {setting}, or give the program CAP_NET_BIND_SERVICE"
    return InvalidConfiguration([problem], hint=step)
