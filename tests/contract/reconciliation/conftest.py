"""A separate Temporal and database, so that every closed run and every stored batch belongs to these tests."""

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec
import psycopg
import pytest
from pydantic import SecretStr
from temporalio.client import Client, WorkflowHandle
from temporalio.converter import DataConverter

from conftest import converter
from databases import own_database
from examples import SIGNER
from trenova.config import TASK_QUEUE, Settings
from trenova.dev.postgres import Postgres
from trenova.dev.temporal import Temporal
from trenova.domain.batch import Batch, BatchResult, workflow_id
from trenova.domain.reconciliation import ReconciliationResult
from trenova.reconciliation import Reconciler
from trenova.reconciliation.reconciler import OVERLAP
from trenova.reconciliation.runs import closed_runs
from trenova.store import Store
from trenova.worker import process
from trenova.workflows import ProcessAuditBatchWorkflow
from waiting import becomes

Handle = WorkflowHandle[ProcessAuditBatchWorkflow, BatchResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    client: Client
    store: Store
    owner_url: str
    settings: Settings

    async def accept(
        self, bodies: Sequence[bytes], batch_id: str | None = None, *, run_timeout: timedelta | None = None
    ) -> Handle:
        """Start a batch as the API does. No worker runs."""
        batch = Batch(batch_id=batch_id or str(uuid.uuid4()), entries=[msgspec.Raw(each) for each in bodies])
        return await self.client.start_workflow(
            ProcessAuditBatchWorkflow.run,
            batch,
            id=workflow_id(batch.batch_id),
            task_queue=TASK_QUEUE,
            run_timeout=run_timeout,
        )

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        async with process.create_worker(self.client, self.store, self.settings):
            yield

    async def wait_until_listed(self, *run_ids: str | None) -> None:
        """Wait until Temporal lists these runs as closed; its list lags for a moment."""

        async def are_listed() -> bool:
            return set(run_ids) <= {run.run_id async for page in closed_runs(self.client, None) for run in page}

        await becomes(are_listed)

    async def reconcile(
        self, *, compare_all: bool = True, overlap: timedelta = OVERLAP, data_converter: DataConverter | None = None
    ) -> ReconciliationResult:
        config = self.client.config()
        config["data_converter"] = data_converter or self.client.data_converter
        reconciler = Reconciler(Client(**config), self.store.entries, self.store.reconciliation, overlap)
        return [done async for done in reconciler.run(compare_all=compare_all)][-1]

    async def stored_bodies(self, tenant: str) -> list[bytes]:
        """The bodies in the tenant's ledger, in order; fails unless the indexes have no gap."""
        async with await psycopg.AsyncConnection.connect(self.owner_url) as connection:
            found = await connection.execute(
                "SELECT index, body FROM entries WHERE tenant = %s ORDER BY index", [tenant]
            )
            rows = await found.fetchall()
        assert [index for index, _ in rows] == list(range(len(rows)))
        return [body for _, body in rows]


@pytest.fixture(scope="module")
async def site(folder: Path, postgres: Postgres) -> AsyncIterator[Site]:
    async with (
        own_database(postgres) as database,
        Temporal(folder / f"reconcile-{uuid.uuid4().hex[:8]}").running() as temporal,
        Store.open(database.worker_url, signer=SIGNER) as store,
    ):
        settings = Settings.model_validate(
            {"temporal": {"hostPort": temporal.address}, "database": {"url": SecretStr(database.worker_url)}}
        )
        client = await Client.connect(temporal.address, data_converter=converter())
        yield Site(client=client, store=store, owner_url=database.owner_url, settings=settings)
