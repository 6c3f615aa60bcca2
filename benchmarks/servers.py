"""The servers that all contestants share, in a temporary folder, on free ports of this machine.

PostgreSQL and Temporal start as `trenova dev` starts them: every commit on the disk, fairness on. API and worker are
the real programs with their default settings: compression on, encryption off. Whatever is started here is stopped here.
"""

import asyncio
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from signal import Signals
from typing import Any

import psycopg
from benchmarks.entries import COLUMNS
from psycopg import sql
from sqlalchemy.engine import make_url
from temporalio.client import Client, ScheduleAlreadyRunningError, ScheduleState

from trenova.codec.compose import load_converter
from trenova.config import Settings
from trenova.dev import programs, schema
from trenova.dev.environment import own_environment
from trenova.dev.part import Part, StopSignals
from trenova.dev.ports import choose
from trenova.dev.postgres import Postgres
from trenova.dev.process import Process, running
from trenova.dev.temporal import Temporal
from trenova.runtime.connection import connect
from trenova.store import Store, migrate
from trenova.worker.schedules import all_schedules
from trenova.workflows import RECONCILE_SCHEDULE

READY = "READY"
START_LIMIT_S = 60
# Rarely enough to cost nothing compared with runs of seconds.
COUNT_EVERY_S = 0.05
STOP: StopSignals = ((Signals.SIGTERM, 20), (Signals.SIGKILL, 10))
REPOSITORY = Path(__file__).parents[1]

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """PostgreSQL and Temporal, and what the contestants need to use them."""

    folder: Path
    postgres: Postgres
    temporal: Temporal
    pids: Mapping[str, int]
    client: Client
    """With our data converter: compression on, encryption off."""
    owner: Connection
    """A connection of the owner of the tables; each statement is a transaction."""

    async def new_key(self, tenant: str | None) -> str:
        async with Store.open(self.postgres.operator_url, pool_size=1) as store:
            return (await store.api_keys.create(tenant=tenant, role="writer", name="benchmark", by="test")).text

    async def empty_log(self) -> None:
        """Empty our tables before a run, as other contestants begin with a new table."""
        async with self.owner.transaction():
            await self.owner.execute("SET LOCAL session_replication_role = replica")  # past the append-only triggers
            await self.owner.execute("TRUNCATE entries, batches, heads, tiles, checkpoints")
        await self.settle()

    async def new_table(self) -> str:
        """A table with the columns, constraints and indexes of `entries`."""
        name = f"bench_{uuid.uuid4().hex[:12]}"
        await self.owner.execute(sql.SQL("CREATE TABLE {} (LIKE entries INCLUDING ALL)").format(sql.Identifier(name)))
        await self.settle()
        return name

    async def drop_table(self, name: str) -> None:
        await self.owner.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(name)))

    async def settle(self) -> None:
        """Write dirty pages of the previous run, so that they do not cost the next one."""
        await self.owner.execute("CHECKPOINT")

    async def rows_in(self, table: str) -> int:
        found = await self.owner.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
        (count,) = (await found.fetchone()) or (0,)
        return int(count)

    async def until_rows(self, table: str, count: int, limit_s: float) -> None:
        """Return when the table holds the rows."""
        async with asyncio.timeout(limit_s):
            while await self.rows_in(table) < count:  # noqa: ASYNC110 - other processes insert
                await asyncio.sleep(COUNT_EVERY_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trenova:
    """Our own processes."""

    servers: Servers
    port: int
    api: Process
    workers: Sequence[Process]

    @property
    def pids(self) -> dict[str, int]:
        workers = {f"worker {number}": each.pid for number, each in enumerate(self.workers, start=1)}
        if len(workers) == 1:
            workers = {"worker": self.workers[0].pid}
        return {"api": self.api.pid, **workers, **self.servers.pids}


@contextmanager
def own_folder() -> Iterator[Path]:
    """A temporary folder that PostgreSQL's system user may enter."""
    path = Path(tempfile.mkdtemp(prefix="trenova-bench-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@asynccontextmanager
async def servers_running(folder: Path) -> AsyncIterator[Servers]:
    """PostgreSQL with our schema, and Temporal."""
    for name in os.environ.keys() - own_environment(os.environ).keys():
        del os.environ[name]  # use no server or settings of the user
    async with AsyncExitStack() as stack:
        postgres = Postgres(folder / "data")
        started = await stack.enter_async_context(postgres_part(postgres))
        await postgres.create_database()
        await schema.prepare(postgres)
        temporal = Temporal(folder / "data")
        part = stack.enter_context(temporal.part())
        temporal_process = await stack.enter_async_context(running(part))
        owner = await psycopg.AsyncConnection.connect(postgres.owner_url, autocommit=True)
        yield Servers(
            folder=folder,
            postgres=postgres,
            temporal=temporal,
            pids={"temporal": temporal_process.pid, "postgres": started.pid},
            client=await client_of(temporal.address, temporal.namespace),
            owner=await stack.enter_async_context(owner),
        )


@asynccontextmanager
async def postgres_part(postgres: Postgres) -> AsyncIterator[Process]:
    async with postgres.part() as part, running(part) as process:
        yield process


@asynccontextmanager
async def own_database(servers: Servers, name: str) -> AsyncIterator[Servers]:
    """The same servers with one more database, of this name, with our schema."""
    await servers.owner.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    postgres = copy(servers.postgres)
    postgres.owner_url, postgres.api_url, postgres.worker_url, postgres.operator_url = (
        make_url(url).set(database=name).render_as_string(hide_password=False)
        for url in (postgres.owner_url, postgres.api_url, postgres.worker_url, postgres.operator_url)
    )
    await asyncio.to_thread(migrate.upgrade, postgres.owner_url)
    async with await psycopg.AsyncConnection.connect(postgres.owner_url, autocommit=True) as owner:
        yield replace(servers, postgres=postgres, owner=owner)


async def client_of(address: str, namespace: str) -> Client:
    settings = Settings.model_validate({"temporal": {"hostPort": address, "namespace": namespace}})
    return await connect(settings.temporal, load_converter(settings.temporal.security, {}))


@asynccontextmanager
async def trenova_running(servers: Servers, *, workers: int = 1) -> AsyncIterator[Trenova]:
    """The API and this many workers, ready."""
    await leave_unreconciled(servers.client)
    async with AsyncExitStack() as stack:
        port = choose()
        described = programs.api_part(servers.postgres.folder, servers.postgres, servers.temporal, port)
        # Without the codec endpoint for a Web UI, which does not run here, and without the user's config file.
        env = {name: value for name, value in described.env.items() if not name.startswith("TRENOVA_API__CODEC")}
        api = await stack.enter_async_context(running(replace(described, env=env, folder=servers.folder)))
        made = []
        for number in range(workers):
            part = programs.worker_part(servers.postgres.folder, servers.postgres, servers.temporal)
            own = replace(
                part,
                folder=servers.folder,
                record=part.record.with_stem(f"worker-{number}"),
                log=part.log.with_stem(f"worker-{number}"),
            )
            made.append(await stack.enter_async_context(running(own)))
        yield Trenova(servers=servers, port=port, api=api, workers=made)


async def leave_unreconciled(client: Client) -> None:
    """Create the schedule paused; workers leave it so. Otherwise they would store entries again that a run removed."""
    paused = replace(all_schedules()[RECONCILE_SCHEDULE], state=ScheduleState(paused=True))
    with suppress(ScheduleAlreadyRunningError):
        await client.create_schedule(RECONCILE_SCHEDULE, paused)


@asynccontextmanager
async def program(servers: Servers, module: str, *arguments: str) -> AsyncIterator[Process]:
    """`python -m module arguments…`, once it has printed READY."""
    name = f"{module.rpartition('.')[2]}-{uuid.uuid4().hex[:6]}"
    log = servers.folder / "data" / "logs" / f"{name}.log"

    async def ready(_pid: int) -> bool:
        return READY in log.read_text(encoding="utf-8", errors="replace")

    part = Part(
        name=name,
        argv=(sys.executable, "-m", module, *arguments),
        env=own_environment(os.environ) | {"PYTHONUNBUFFERED": "1"},
        log=log,
        record=servers.postgres.folder.record(name),
        is_ready=ready,
        ready_limit_s=START_LIMIT_S,
        folder=REPOSITORY,  # where `benchmarks` is found
        stop_signals=STOP,
    )
    async with running(part) as process:
        yield process


def insert_into(table: str) -> sql.Composed:
    """INSERT of one row in the order of COLUMNS. An existing entry stays, as in our store."""
    return sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT (tenant, id) DO NOTHING").format(
        sql.Identifier(table),
        sql.SQL(", ").join(sql.Identifier(name) for name, _ in COLUMNS),
        sql.SQL(", ").join([sql.Placeholder()] * len(COLUMNS)),
    )
