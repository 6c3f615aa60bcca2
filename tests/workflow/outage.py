"""A worker as it is wired, on servers that a test may stop, starve and cut off, and what it shows of that."""

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
from contract.lossy import LossyProxy
from examples import SIGNER, bodies
from trenova.config import TASK_QUEUE, Settings
from trenova.dev import schema
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
"""What a batch says in its slot when it waits for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The servers, and the network between the worker and its database."""

    postgres: Postgres
    client: Client
    network: LossyProxy
    settings: Settings

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Store]:
        """A worker; gives its store. Stops as on SIGTERM, with the default time to drain."""
        url = database_url(self.settings)
        async with Store.open(url, signer=SIGNER) as store, process.create_worker(self.client, store, self.settings):
            yield store

    async def start(self, tenant: str, entries: int = 3) -> Handle:
        """A batch of new entries, started as the API does."""
        batch = Batch(batch_id=str(uuid.uuid4()), entries=[msgspec.Raw(each) for each in bodies(tenant, entries)])
        return await self.client.start_workflow(
            ProcessAuditBatchWorkflow.run, batch, id=workflow_id(batch.batch_id), task_queue=TASK_QUEUE
        )

    async def tell(self, *statements: str) -> None:
        """What the database's operator types, in a session beside the application's database."""
        async with await self.postgres.connect("postgres") as connection:
            for statement in statements:
                await connection.execute(statement)

    async def drop_connections(self) -> None:
        await self.tell("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename ~ '^trenova_dev_'")

    async def first_indexes(self, handles: Sequence[Handle]) -> list[int]:
        """Where each batch begins in the log of its tenant."""
        async with await psycopg.AsyncConnection.connect(self.postgres.owner_url) as connection:
            rows = await connection.execute("SELECT batch_id, first_index FROM batches")
            found = {workflow_id(batch_id): index for batch_id, index in await rows.fetchall()}
        return [found[handle.id] for handle in handles]

    async def check_stored_once(self, tenant: str, count: int) -> None:
        """As many entries as were sent, at indexes without gaps."""
        async with await psycopg.AsyncConnection.connect(self.postgres.owner_url) as connection:
            rows = await connection.execute("SELECT index FROM entries WHERE tenant = %s ORDER BY index", [tenant])
            assert [index for (index,) in await rows.fetchall()] == list(range(count))


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What an operator sees of a batch that is not stored yet."""

    waits_for: str = ""
    """What it says in a slot; empty while it has none, and while it stores."""
    failed: str = ""
    """How the attempt before this one failed. One that Temporal took for lost, as its machine stalled, did not fail."""


async def seen(handle: Handle) -> Seen:
    description = await handle.describe()
    assert description.status is WorkflowExecutionStatus.RUNNING
    for pending in description.raw_description.pending_activities:
        said = ""
        if pending.HasField("heartbeat_details"):
            (said,) = await converter().decode(list(pending.heartbeat_details.payloads), [str])
        last = pending.last_failure
        return Seen(
            waits_for="" if said == STORING else said,
            failed=last.message if last.HasField("application_failure_info") else "",
        )
    return Seen()


async def waits(*handles: Handle, why: str = "") -> str:
    """What one of the batches waits for, once one has a slot to wait in and says `why`, among other things.

    Which one has the first slot is up to the queue, and the first try may meet something else on a slow machine.
    """
    async with asyncio.timeout(GENEROUS_S):
        while True:
            for handle in handles:
                if (said := (await seen(handle)).waits_for) and why in said:
                    return said
            await asyncio.sleep(0.1)


async def scheduled(handle: Handle) -> None:
    """Return when the batch's durable attempt is in the queue or in a slot."""
    async with asyncio.timeout(GENEROUS_S):
        while not (await handle.describe()).raw_description.pending_activities:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.1)


@asynccontextmanager
async def scene(folder: Path, *, prepared: bool = False) -> AsyncIterator[Scene]:
    """The servers in this folder, which has the tables already if it is `prepared`."""
    async with Postgres(folder).running() as postgres, Temporal(folder).running() as temporal:
        if not prepared:
            await schema.prepare(postgres)
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
            yield Scene(postgres=postgres, client=client, network=network, settings=settings)
