"""A small set of entries as a run of the fault test leaves it, in a separate database that tests may damage."""

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psycopg
import pytest
from chaos import entries, judge
from chaos.entries import Place
from chaos.journal import Journal, Kind, Note
from chaos.judge import CheckCounts
from chaos.load import Load
from chaos.outside import Outside
from chaos.tally import Findings
from chaos.writers import Job
from pydantic import SecretStr
from temporalio.client import Client

from conftest import GENEROUS_S, converter, serving
from databases import own_database
from examples import SIGNER
from trenova.config import LimitSettings, Settings
from trenova.dev.ports import choose
from trenova.dev.postgres import Postgres
from trenova.dev.temporal import Temporal
from trenova.domain import intake
from trenova.runtime.connection import connect
from trenova.store import Store
from trenova.store.verification import processes

RUN = 7
AT = 1_000_000.0
BULK, SINGLE, FEW = 0, 4, 7
"""Authors of requests of 250, one and three entries."""


@dataclass(slots=True, kw_only=True)
class SmallRun:
    """756 stored and acknowledged entries of three tenants, and one request that was sent but never arrived."""

    store: Store
    owner: psycopg.AsyncConnection[tuple[Any, ...]]
    url: str
    workers: Executor
    api_url: str
    api_key: str = field(repr=False)
    client: Client
    load: Load
    journal: Journal
    kept: dict[str, list[bytes]] = field(default_factory=dict)

    async def acknowledge(self, author: int, request: int) -> None:
        """Record a request as sent, stored and acknowledged."""
        self.note("sent", author, request)
        await self.append(author, request)
        self.note("acknowledged", author, request)

    async def append(self, author: int, request: int) -> None:
        made = self.load.authors[author]
        context = intake.RequestContext(received_at=datetime.now(UTC), tenant=None)
        bodies = [
            intake.seal(msgspec.json.encode(entries.entry(RUN, made.tenant, place)), 0, context, LimitSettings()).body
            for place in (Place(author, request, at) for at in range(made.entries_each))
        ]
        await self.store.entries.append(str(uuid.uuid4()), bodies)

    def note(self, kind: Kind, author: int, request: int) -> None:
        self.journal.add(Note(kind=kind, author=author, request=request, at=AT))

    def http(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.api_key}"}
        return httpx.AsyncClient(
            base_url=self.api_url, headers=headers, timeout=GENEROUS_S, trust_env=False, verify=False
        )

    async def keep(self, tenant: str, place: Place) -> None:
        """Keep the tenant's checkpoint and the entry's receipt, as the auditor does during a run."""
        id_ = entries.id_of(RUN, place)
        async with self.http() as http:
            self.kept.setdefault(tenant, []).append((await http.get(f"/v1/log/{tenant}/checkpoint")).content)
            proof = (await http.get(f"/v1/entries/{id_}/proof")).json()
        line = msgspec.json.encode({"id": str(id_), "state": "stored", **proof})
        self.edit_receipts(lambda lines: lines + line + b"\n")

    def edit_receipts(self, edit: Callable[[bytes], bytes]) -> None:
        path = Path(self.load.job.receipts)
        path.write_bytes(edit(path.read_bytes() if path.exists() else b""))

    async def tamper(self, statement: str) -> None:
        """Run a statement with all triggers off, to cause damage that no fault should cause."""
        async with self.owner.transaction():
            await self.owner.execute("SET LOCAL session_replication_role = replica")
            await self.owner.execute(statement.encode())

    async def check(self) -> CheckCounts:
        self.load.read()
        return await judge.check(
            outside=Outside(self.api_url, self.api_key, Findings()),
            owner=self.owner,
            client=self.client,
            database_url=self.url,
            workers=self.workers,
            load=self.load,
            kept=self.kept,
            say=lambda _: None,
        )

    async def count_findings(self) -> dict[str, int]:
        return (await self.check()).findings.counts


@asynccontextmanager
async def own_temporal(folder: Path) -> AsyncIterator[Client]:
    """A Temporal in which no other test leaves workflows."""
    async with Temporal(folder).running() as server:
        settings = Settings.model_validate({"temporal": {"hostPort": server.address, "namespace": server.namespace}})
        yield await connect(settings.temporal, converter())


@pytest.fixture(scope="session")
async def idle_client(folder: Path) -> AsyncIterator[Client]:
    async with own_temporal(folder / "idle-temporal") as client:
        yield client


@pytest.fixture(scope="session")
def workers() -> Iterator[Executor]:
    with processes(1) as opened:
        yield opened


@pytest.fixture
async def small_run(
    postgres: Postgres, idle_client: Client, workers: Executor, tmp_path: Path
) -> AsyncIterator[SmallRun]:
    async with (
        own_database(postgres) as database,
        await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as owner,
        Store.open(database.worker_url, signer=SIGNER) as store,
        Store.open(database.operator_url) as operator,
        Store.open(database.api_url) as api_store,
    ):
        settings = Settings.model_validate(
            {"database": {"url": SecretStr(database.worker_url)}, "api": {"port": choose()}}
        )
        async with serving(settings, api_store, idle_client) as api_url:
            key = (await operator.api_keys.create(tenant=None, role="admin", name="chaos", by="test")).text
            job = Job(
                url=api_url,
                api_key=key,
                run=RUN,
                tenants=5,
                rate=1,
                journal=str(tmp_path / "journal"),
                receipts=str(tmp_path / "receipts"),
            )
            made = SmallRun(
                store=store,
                owner=owner,
                url=database.operator_url,
                workers=workers,
                api_url=api_url,
                api_key=key,
                client=idle_client,
                load=Load(job, tmp_path / "log"),
                journal=Journal(tmp_path / "journal"),
            )
            for request in range(3):
                await made.acknowledge(BULK, request)
                await made.keep("tenant-0", Place(BULK, request, request))
            for request in range(3):
                await made.acknowledge(SINGLE, request)
            await made.acknowledge(FEW, 0)
            made.note("sent", SINGLE, 3)
            yield made
