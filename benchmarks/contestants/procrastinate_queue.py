"""Procrastinate, a task queue on the same PostgreSQL: a task for each entry, its worker inserts the row.

Used as its documentation says, and in its favour: tasks are deferred 500 at a time (`batch_defer_async`, its fastest
way, and as many as one of our bulk requests holds), the worker listens for notifications and runs ten at once. No HTTP,
no API key, no checks; entries are sealed beforehand.

As a program it is the worker: python -m benchmarks.contestants.procrastinate_queue DATABASE TABLE
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence

import procrastinate
from benchmarks.entries import sealed_bodies
from benchmarks.measurement import Measurement
from benchmarks.meter import measuring
from benchmarks.servers import READY, Servers, insert_into, program
from procrastinate.types import JSONDict
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from trenova.store.appending.rows import row_of_body

NAME = "Procrastinate"
NOTE = "one task an entry, deferred 500 at a time, worker with ten at once inserts the row; no HTTP, no checks"
TASK = "insert_entry"
QUEUE = "bench"
DEFERRED_TOGETHER = 500
CONCURRENCY = 10
LIMIT_S = 300


async def run(servers: Servers, entries: int) -> Measurement:
    table = await servers.new_table()
    url = servers.postgres.owner_url
    bodies = sealed_bodies(entries, tenant="procrastinate")
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url))
    try:
        async with app.open_async():
            await have_schema(servers, app)
            async with program(servers, __name__, url, table) as worker:
                pids = {"worker": worker.pid, "postgres": servers.pids["postgres"], "client": os.getpid()}
                async with measuring(pids) as meter:
                    begin = time.monotonic()
                    await defer_all(app, bodies)
                    await servers.until_rows(table, entries, LIMIT_S)
                    seconds = time.monotonic() - begin
    finally:
        await servers.drop_table(table)
    return Measurement(contestant=NAME, entries=entries, seconds=seconds, cpu_s=meter.cpu_s, peak_mib=meter.peak_mib)


async def have_schema(servers: Servers, app: procrastinate.App) -> None:
    """Empty its tables: rows of earlier rounds would slow it down."""
    found = await servers.owner.execute("SELECT to_regclass('procrastinate_jobs') IS NOT NULL")
    if await found.fetchone() == (True,):
        await servers.owner.execute("TRUNCATE procrastinate_jobs, procrastinate_events CASCADE")
    else:
        await app.schema_manager.apply_schema_async()
    await servers.settle()


async def defer_all(app: procrastinate.App, bodies: Sequence[bytes]) -> None:
    task = app.configure_task(TASK, queue=QUEUE)
    for begin in range(0, len(bodies), DEFERRED_TOGETHER):
        tasks: list[JSONDict] = [
            {"index": index, "body": body.decode()}
            for index, body in enumerate(bodies[begin : begin + DEFERRED_TOGETHER], start=begin)
        ]
        await task.batch_defer_async(*tasks)


async def work(database: str, table: str) -> None:
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=database, max_size=CONCURRENCY + 2))
    async with (
        app.open_async(),
        AsyncConnectionPool[AsyncConnection[tuple[object, ...]]](
            database, min_size=1, max_size=CONCURRENCY, open=False, kwargs={"autocommit": True}
        ) as pool,
    ):
        statement = insert_into(table)

        async def insert_entry(index: int, body: str) -> None:
            _, *columns = row_of_body(0, body.encode(), bytes(16))
            async with pool.connection() as connection:
                await connection.execute(statement, (index, *columns))

        # Called instead of put above the function: `make lint` runs where this package may be missing.
        app.task(name=TASK, queue=QUEUE)(insert_entry)
        print(READY)
        await app.run_worker_async(queues=[QUEUE], concurrency=CONCURRENCY)


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:3]))
