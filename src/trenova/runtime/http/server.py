"""The configuration of every HTTP server: of the API, of the worker's health pages and of the witness."""

import resource
from dataclasses import replace
from typing import Any

import uvicorn

from trenova.runtime.http.limits import ConnectionLimits
from trenova.runtime.http.protocol import LimitedProtocol

# Longer than clients and proxies keep idle connections, so that they close them first. Otherwise a request can meet a
# connection that is just being closed.
KEEP_ALIVE_S = 75
# Files that a process opens besides client connections: for the database, Temporal, logs, certificates.
OTHER_FILES = 200


def server_config(
    app: Any, *, limits: ConnectionLimits | None = None, drain_s: int, lifespan: bool = True, **listen: Any
) -> uvicorn.Config:
    """`listen`: host and port, unless `serve` gets sockets. `drain_s`: how long a stop waits for requests under way."""

    class Protocol(LimitedProtocol):
        pass

    Protocol.limits = within_open_files(limits or ConnectionLimits())
    return uvicorn.Config(
        app,
        **listen,
        http=Protocol,
        ws="none",
        lifespan="on" if lifespan else "off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=drain_s,
    )


def within_open_files(limits: ConnectionLimits) -> ConnectionLimits:
    """The limits, with no more connections than the process may open files: it needs one even to answer an error."""
    files, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections + OTHER_FILES
    if files != resource.RLIM_INFINITY and files < wanted:
        files = wanted if maximum == resource.RLIM_INFINITY else min(wanted, maximum)
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, maximum))
    return (
        limits
        if files == resource.RLIM_INFINITY
        else replace(limits, connections=min(limits.connections, files - OTHER_FILES))
    )
