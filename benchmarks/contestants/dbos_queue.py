"""DBOS, durable workflows on the same PostgreSQL: a queued workflow for each entry, whose step inserts the row.

Used as its documentation says (`DBOSClient.enqueue`, a registered queue, effects in a step), and in its favour: sixteen
threads enqueue at once, the worker polls ten times as often as by default and runs as much at once as it likes. No
HTTP, no API key, no checks; entries are sealed beforehand.

As a program it is the worker: python -m benchmarks.contestants.dbos_queue DATABASE TABLE
"""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from benchmarks.entries import sealed_bodies
from benchmarks.measurement import Measurement
from benchmarks.meter import measuring
from benchmarks.servers import READY, Servers, insert_into, program
from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions, WorkflowHandle
from psycopg import Connection
from psycopg_pool import ConnectionPool

from trenova.store.appending.rows import row_of_body

NAME = "DBOS"
NOTE = "one queued workflow an entry with one step that inserts the row, polled every 0.1 s; no HTTP, no checks"
WORKFLOW = "insert_entry"
QUEUE = "bench"
# Without it an application version is made of the source, and the client would have to know it.
VERSION = "bench"
ENQUEUED_AT_ONCE = 16
POLL_EVERY_S = 0.1
POOL = 10
LIMIT_S = 300


async def run(servers: Servers, entries: int) -> Measurement:
    table = await servers.new_table()
    url = servers.postgres.owner_url
    bodies = sealed_bodies(entries, tenant="dbos")
    # Empty its tables: rows of earlier rounds would slow it down.
    await servers.owner.execute("DROP SCHEMA IF EXISTS dbos CASCADE")
    try:
        async with program(servers, __name__, url, table) as worker:
            client = await asyncio.to_thread(DBOSClient, system_database_url=url)
            pids = {"worker": worker.pid, "postgres": servers.pids["postgres"], "client": os.getpid()}
            try:
                async with measuring(pids) as meter:
                    begin = time.monotonic()
                    await asyncio.to_thread(enqueue_all, client, bodies)
                    await servers.until_rows(table, entries, LIMIT_S)
                    seconds = time.monotonic() - begin
            finally:
                await asyncio.to_thread(client.destroy)
    finally:
        await servers.drop_table(table)
    return Measurement(contestant=NAME, entries=entries, seconds=seconds, cpu_s=meter.cpu_s, peak_mib=meter.peak_mib)


def enqueue_all(client: DBOSClient, bodies: Sequence[bytes]) -> None:
    options: EnqueueOptions = {"queue_name": QUEUE, "workflow_name": WORKFLOW, "app_version": VERSION}

    def enqueue(index: int, body: bytes) -> str:
        handle: WorkflowHandle[None] = client.enqueue(options, index, body.decode())
        return str(handle.get_workflow_id())

    with ThreadPoolExecutor(ENQUEUED_AT_ONCE) as threads:
        assert len(set(threads.map(enqueue, range(len(bodies)), bodies))) == len(bodies)


def work(database: str, table: str) -> None:
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": database,
        "application_version": VERSION,
        "log_level": "WARNING",
    }
    DBOS(config=config)
    statement = insert_into(table)
    with ConnectionPool[Connection[tuple[object, ...]]](
        database, min_size=1, max_size=POOL, open=True, kwargs={"autocommit": True}
    ) as pool:

        def insert(index: int, body: str) -> None:
            _, *columns = row_of_body(0, body.encode(), bytes(16))
            with pool.connection() as connection:
                connection.execute(statement, (index, *columns))

        def insert_entry(index: int, body: str) -> None:
            step(index, body)

        # Called instead of put above the functions: `make lint` runs where this package may be missing.
        step = DBOS.step()(insert)
        DBOS.workflow(name=WORKFLOW)(insert_entry)
        DBOS.launch()
        DBOS.register_queue(QUEUE, polling_interval_sec=POLL_EVERY_S)
        print(READY)
        threading.Event().wait()


if __name__ == "__main__":
    work(*sys.argv[1:3])
