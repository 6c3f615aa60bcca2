"""Servers that a test may stop, starve and cut off, a real worker on them, and what its heartbeats show."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psycopg
from pydantic import SecretStr
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle

from conftest import GENEROUS_S, converter
from contract.lossy_proxy import LossyProxy
from examples import SIGNER, bodies
from trenova.config import TASK_QUEUE, Settings
from trenova.dev.postgres import Postgres
from trenova.dev.temporal import Temporal
from trenova.domain.batch import Batch, BatchResult, workflow_id
from trenova.runtime.connection import connect
from trenova.runtime.process import database_url
from trenova.store import Store
from trenova.worker import process
from trenova.workflows import ProcessAuditBatchWorkflow

Handle = WorkflowHandle[ProcessAuditBatchWorkflow, BatchResult]
STORING = "storing"
"""The heartbeat of a batch that is being stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """PostgreSQL and Temporal, and the network between the worker and its database."""

    postgres: Postgres
    client: Client
    network: LossyProxy
    settings: Settings

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Store]:
        """Run a worker; yield its store. It stops as on SIGTERM, with the default time to drain."""
        url = database_url(self.settings)
        async with Store.open(url, signer=SIGNER) as store, process.create_worker(self.client, store, self.settings):
            yield store

    async def start(self, tenant: str, entries: int = 3) -> Handle:
        """Start a batch of new entries as the API does."""
        batch = Batch(batch_id=str(uuid.uuid4()), entries=[msgspec.Raw(each) for each in bodies(tenant, entries)])
        return await self.client.start_workflow(
            ProcessAuditBatchWorkflow.run, batch, id=workflow_id(batch.batch_id), task_queue=TASK_QUEUE
        )

    async def execute(self, *statements: str) -> None:
        """Execute statements as the operator of PostgreSQL, in another database than ours."""
        async with await self.postgres.connect("postgres") as connection:
            for statement in statements:
                await connection.execute(statement)

    async def drop_connections(self) -> None:
        await self.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename ~ '^trenova_dev_'")

    async def first_indexes(self, handles: Sequence[Handle]) -> list[int]:
        """The index of each batch's first entry in the ledger of its tenant."""
        async with await psycopg.AsyncConnection.connect(self.postgres.owner_url) as connection:
            rows = await connection.execute("SELECT batch_id, first_index FROM batches")
            indexes = {workflow_id(batch_id): index for batch_id, index in await rows.fetchall()}
        return [indexes[handle.id] for handle in handles]

    async def check_stored_once(self, tenant: str, count: int) -> None:
        """Check that `count` entries are stored, at indexes without gaps."""
        async with await psycopg.AsyncConnection.connect(self.postgres.owner_url) as connection:
            rows = await connection.execute("SELECT index FROM entries WHERE tenant = %s ORDER BY index", [tenant])
            assert [index for (index,) in await rows.fetchall()] == list(range(count))


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingAttempt:
    """The pending attempt of a batch that is not stored yet, as an operator sees it."""

    waits_for: str = ""
    """The outage in its heartbeat; empty without a slot, and while it is being stored."""
    failed: str = ""
    """The failure of the previous attempt. One that Temporal took for lost, as its machine stalled, does not count."""


async def pending_attempt(handle: Handle) -> PendingAttempt:
    description = await handle.describe()
    assert description.status is WorkflowExecutionStatus.RUNNING
    for pending in description.raw_description.pending_activities:
        heartbeat = ""
        if pending.HasField("heartbeat_details"):
            (heartbeat,) = await converter().decode(list(pending.heartbeat_details.payloads), [str])
        last = pending.last_failure
        return PendingAttempt(
            waits_for="" if heartbeat == STORING else heartbeat,
            failed=last.message if last.HasField("application_failure_info") else "",
        )
    return PendingAttempt()


async def wait_until_waiting(*handles: Handle, why: str = "") -> str:
    """The outage in the heartbeat of one of the batches, once it contains `why`.

    The queue decides which batch gets the first slot, and on a slow machine the first attempt may fail otherwise.
    """
    async with asyncio.timeout(GENEROUS_S):
        while True:
            for handle in handles:
                if (outage := (await pending_attempt(handle)).waits_for) and why in outage:
                    return outage
            await asyncio.sleep(0.1)


async def wait_until_scheduled(handle: Handle) -> None:
    """Return once the batch's durable attempt is in the queue or in a slot."""
    async with asyncio.timeout(GENEROUS_S):
        while not (await handle.describe()).raw_description.pending_activities:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.1)


@asynccontextmanager
async def open_servers(folder: Path) -> AsyncIterator[Servers]:
    """Start the servers in this data folder, which is prepared."""
    async with Postgres(folder).running() as postgres, Temporal(folder).running() as temporal:
        network = LossyProxy("127.0.0.1", postgres.port)
        async with network.running():
            url = postgres.worker_url.replace(f":{postgres.port}/", f":{network.port}/")
            settings = Settings.model_validate(
                {
                    "temporal": {"hostPort": temporal.address, "namespace": temporal.namespace},
                    "database": {"url": SecretStr(url)},
                }
            )
            client = await connect(settings.temporal, converter())
            yield Servers(postgres=postgres, client=client, network=network, settings=settings)
