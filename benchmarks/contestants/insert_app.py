"""What most people write: a route that inserts the row and answers when it is committed.

The same web framework, server and event loop as ours (Litestar, uvicorn, uvloop), psycopg's own pool, the same columns
and indexes, one INSERT a request, committed. In its favour: no API key, no numbering, no checks but the types of the
columns; a body is decoded once by msgspec and stored as it came. While the database is away it takes nothing in.

As a program it is the application: python -m benchmarks.contestants.insert_app PORT DATABASE TABLE
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID

import msgspec
import uvicorn
from benchmarks import load
from benchmarks.entries import request_bodies
from benchmarks.load import Job, Stream
from benchmarks.measurement import Measurement, times
from benchmarks.meter import measuring
from benchmarks.servers import READY, Servers, insert_into, program
from litestar import Litestar, Request, Response, post
from litestar.datastructures import State
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from trenova.dev import ports
from trenova.ledger.hashing import HASH_BYTES, SALT_BYTES

NAME = "INSERT per request"
NOTE = "Litestar on uvicorn, psycopg pool, one committed INSERT a request; no key, no durable queue before the database"
POOL = 16
LIMIT_S = 300
LISTEN_LIMIT_S = 30
NO_PROOF = (bytes(SALT_BYTES), bytes(HASH_BYTES))  # the columns are there, and cost their bytes; nothing is hashed


class Party(msgspec.Struct):
    type: str
    id: str


class Entry(msgspec.Struct):
    """The columns; the rest of the body is skipped."""

    id: UUID
    occurred_at: datetime
    actor: Party
    action: str
    target: Party
    outcome: str = "success"


async def run(servers: Servers, requests: int, connections: int) -> Measurement:
    table = await servers.new_table()
    port = ports.choose()
    file = servers.folder / "bodies-insert"
    load.write_bodies(file, request_bodies(requests, 1))
    stream = Stream(name="all", headers={}, bodies=str(file), connections=connections)
    try:
        async with program(servers, __name__, str(port), servers.postgres.owner_url, table) as app:
            await listening(port)
            pids = {"app": app.pid, "postgres": servers.pids["postgres"]}
            async with measuring(pids) as meter:
                sent = await load.send(
                    servers.folder, Job(port=port, path="/entries", streams=[stream], limit_s=LIMIT_S)
                )
            assert await servers.rows_in(table) == requests
    finally:
        await servers.drop_table(table)
    return Measurement(
        contestant=NAME,
        entries=requests,
        seconds=max(request.acknowledged for request in sent.requests) - min(request.due for request in sent.requests),
        acknowledged=times(request.acknowledged - request.due for request in sent.requests),
        cpu_s=meter.cpu_s | {"load generator": sent.cpu_s},
        peak_mib=meter.peak_mib,
        refused=sent.refused,
    )


async def listening(port: int) -> None:
    """Wait for the port: uvicorn opens it just after the application reports that it is ready."""
    async with asyncio.timeout(LISTEN_LIMIT_S):
        while ports.is_free(port):  # noqa: ASYNC110 - another process listens
            await asyncio.sleep(0.05)


decoder = msgspec.json.Decoder(Entry)


@post("/entries", status_code=201)
async def add(request: Request[Any, Any, State], state: State) -> Response[bytes]:
    body = await request.body()
    entry = decoder.decode(body)
    parties = (entry.actor.type, entry.actor.id, entry.action, entry.target.type, entry.target.id)
    values = (
        next(state.index),
        "inserted",
        entry.id,
        entry.occurred_at,
        datetime.now(UTC),
        *parties,
        entry.outcome,
        *NO_PROOF,
        body,
    )
    async with state.pool.connection() as connection:
        await connection.execute(state.insert, values)
    return Response(content=b'{"id":"%b"}' % str(entry.id).encode(), media_type="application/json", status_code=201)


def application(database: str, table: str) -> Litestar:
    @asynccontextmanager
    async def open_pool(app: Litestar) -> AsyncIterator[None]:
        async with AsyncConnectionPool[AsyncConnection[tuple[object, ...]]](
            database, min_size=POOL, max_size=POOL, open=False, kwargs={"autocommit": True}
        ) as pool:
            await pool.wait()
            app.state.pool = pool
            app.state.insert = insert_into(table)
            app.state.index = count()
            print(READY)
            yield

    return Litestar([add], lifespan=[open_pool], logging_config=None, openapi_config=None)


if __name__ == "__main__":
    port, database, table = sys.argv[1:4]
    uvicorn.run(application(database, table), port=int(port), log_config=None, access_log=False, loop="uvloop")
