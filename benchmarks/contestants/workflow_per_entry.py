"""What the Temporal tutorials lead to: a workflow for each entry, with an activity that inserts its row.

The same Temporal server, the same data converter and the same worker settings as ours. In its favour: no HTTP, no API
key, no checks; entries are sealed and rows taken apart beforehand; up to 32 starts are under way at once.

As a program it is the worker: python -m benchmarks.contestants.workflow_per_entry ADDRESS NAMESPACE DATABASE TABLE
"""

import asyncio
import os
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    import msgspec
    from benchmarks.entries import sealed_bodies
    from benchmarks.measurement import Measurement, times
    from benchmarks.meter import measuring
    from benchmarks.servers import READY, Servers, client_of, insert_into, program
    from psycopg import AsyncConnection
    from psycopg_pool import AsyncConnectionPool
    from temporalio.client import Client
    from temporalio.worker import UnsandboxedWorkflowRunner, Worker

    from trenova.config import Settings
    from trenova.domain.batch import Batch
    from trenova.store.appending.rows import row_of_body
    from trenova.worker.polls import wait_for_polls

NAME = "workflow per entry"
NOTE = "start_workflow and one INSERT activity an entry, same Temporal and worker settings; no HTTP, no checks"
QUEUE = "bench-per-entry"
STARTS_AT_ONCE = 32
LIMIT_S = 300
ACTIVITY_LIMIT = timedelta(seconds=30)


class NumberedEntry(msgspec.Struct, frozen=True):
    """A batch of one entry and its position."""

    index: int
    batch: Batch


@dataclass(frozen=True, slots=True)
class Inserting:
    pool: "AsyncConnectionPool[AsyncConnection[tuple[object, ...]]]"
    table: str

    @activity.defn(name="InsertEntry")
    async def insert(self, entry: NumberedEntry) -> None:
        _, *columns = row_of_body(0, bytes(entry.batch.entries[0]), bytes(16))
        async with self.pool.connection() as connection:
            await connection.execute(insert_into(self.table), (entry.index, *columns))


@workflow.defn(name="InsertEntryWorkflow")
class InsertEntryWorkflow:
    @workflow.run
    async def run(self, entry: NumberedEntry) -> None:
        await workflow.execute_activity_method(Inserting.insert, entry, start_to_close_timeout=ACTIVITY_LIMIT)


async def run(servers: Servers, entries: int) -> Measurement:
    table = await servers.new_table()
    bodies = sealed_bodies(entries, tenant="per-entry")
    temporal = servers.temporal
    arguments = (temporal.address, temporal.namespace, servers.postgres.owner_url, table)
    try:
        async with program(servers, __name__, *arguments) as worker:
            pids = {"worker": worker.pid, **servers.pids}
            async with measuring(pids | {"client": os.getpid()}) as meter:
                begin = time.monotonic()
                taken = await start_all(servers.client, bodies)
                await servers.until_rows(table, entries, LIMIT_S)
                seconds = time.monotonic() - begin
    finally:
        await servers.drop_table(table)
    return Measurement(
        contestant=NAME,
        entries=entries,
        seconds=seconds,
        acknowledged=times(taken),
        cpu_s=meter.cpu_s,
        peak_mib=meter.peak_mib,
        actions=2000,  # by design: a start and an activity for each entry
    )


async def start_all(client: Client, bodies: Sequence[bytes]) -> list[float]:
    at_once = asyncio.Semaphore(STARTS_AT_ONCE)

    async def start(index: int, body: bytes) -> float:
        entry = NumberedEntry(index, Batch(entries=[msgspec.Raw(body)]))
        async with at_once:
            begin = time.monotonic()
            await client.start_workflow(InsertEntryWorkflow.run, entry, id=f"entry-{uuid.uuid4()}", task_queue=QUEUE)
            return time.monotonic() - begin

    return await asyncio.gather(*(start(index, body) for index, body in enumerate(bodies)))


async def work(address: str, namespace: str, database: str, table: str) -> None:
    client = await client_of(address, namespace)
    size = Settings().worker
    async with AsyncConnectionPool[AsyncConnection[tuple[object, ...]]](
        database, min_size=1, max_size=size.max_concurrent_activity_execution_size, open=False
    ) as pool:
        worker = Worker(
            client,
            task_queue=QUEUE,
            workflows=[InsertEntryWorkflow],
            activities=[Inserting(pool, table).insert],
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_concurrent_activities=size.max_concurrent_activity_execution_size,
            max_concurrent_workflow_tasks=size.max_concurrent_workflow_task_execution_size,
            max_concurrent_workflow_task_polls=size.max_concurrent_workflow_task_pollers,
            max_concurrent_activity_task_polls=size.max_concurrent_activity_task_pollers,
        )
        async with worker:
            await wait_for_polls(client, QUEUE)
            print(READY)
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:5]))
