"""How our HTTP servers are set up: the API's, the worker's pages, the witness's."""

import resource
from dataclasses import replace
from typing import Any

import uvicorn

from trenova.runtime.http.limits import ConnectionLimits
from trenova.runtime.http.protocol import LimitedProtocol

# Longer than clients and proxies keep idle connections, so that they close them first: the other way round, a request
# can meet a connection that is just being closed.
KEEP_ALIVE_S = 75
# Files that a process opens beside its clients' connections: to the database, to Temporal, logs, certificates.
OTHER_FILES = 200


def server_config(
    app: Any, *, limits: ConnectionLimits | None = None, drain_s: int, lifespan: bool = True, **listen: Any
) -> uvicorn.Config:
    """`listen`: host and port, unless sockets are given to `serve`. `drain_s`: how long a stop waits for answers."""

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
    """As many connections as the process may have open files: without one left it could not even refuse."""
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections + OTHER_FILES
    if files != resource.RLIM_INFINITY and files < wanted:
        files = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    return (
        limits
        if files == resource.RLIM_INFINITY
        else replace(limits, connections=min(limits.connections, files - OTHER_FILES))
    )
