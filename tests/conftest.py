"""The servers that tests run on: one PostgreSQL and one Temporal for the whole run; each test uses its own tenants.

No test is skipped for a missing server: the project's dependencies include both.
"""

import asyncio
import gc
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import uvicorn
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pydantic import SecretStr
from temporalio.client import Client, ScheduleActionExecutionStartWorkflow, WorkflowFailureError
from temporalio.converter import DataConverter
from temporalio.worker import Replayer
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from xdist.remote import Producer
from xdist.scheduler import Scheduling

import distribution
import prepared
from examples import SIGNER
from trenova.api import app
from trenova.api.codec import RemoteCodec
from trenova.api.ledger_keys import public_keys_of
from trenova.codec.compose import data_converter_for
from trenova.codec.layered_codec import MAX_SENT_BYTES
from trenova.config import SecuritySettings, Settings
from trenova.dev.ports import choose
from trenova.dev.postgres import Postgres
from trenova.dev.temporal import Temporal
from trenova.ingest import Spool
from trenova.keys.keyring import Keyring
from trenova.runtime.connection import connect
from trenova.runtime.http.server import server_config
from trenova.store import Store
from trenova.store.api_keys import Role
from trenova.worker import process, schedules
from trenova.worker.polls import wait_for_polls

# Machines stall: a test waits for a condition this long before it fails, and Hypothesis has no deadline and no health
# check for slow generation. Its examples are the same in every run, so that only a change can make a test fail.
GENEROUS_S = 120
hypothesis_settings.register_profile(
    "trenova", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("trenova")


def pytest_configure() -> None:
    """Remove the caller's settings from the environment."""
    for name in [name for name in os.environ if name.startswith(("TRENOVA_", "TEMPORAL_", "PG"))]:
        del os.environ[name]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector from searching what is imported and collected, which stays to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run tests that take minutes first, so that no process is left running alone at the end."""
    items.sort(key=lambda item: not distribution.starts_first(item))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    return distribution.make_scheduler(config, log)


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's user may enter, unlike pytest's."""
    path = Path(tempfile.mkdtemp(prefix="trenova-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
async def postgres(folder: Path) -> AsyncIterator[Postgres]:
    async with Postgres(prepared.prepare(folder / "postgres")).running() as server:
        yield server


@pytest.fixture(scope="session")
async def temporal(folder: Path) -> AsyncIterator[Temporal]:
    async with Temporal(folder / "temporal").running() as server:
        yield server


@pytest.fixture(scope="session")
async def store(postgres: Postgres) -> AsyncIterator[Store]:
    """The store with a worker's login, except for API keys, which use the login of the command line."""
    async with (
        Store.open(postgres.worker_url, search_pool_size=4, signer=SIGNER) as opened,
        Store.open(postgres.operator_url, pool_size=2) as operator,
    ):
        yield replace(opened, api_keys=operator.api_keys)


@pytest.fixture(scope="session")
async def api_store(postgres: Postgres) -> AsyncIterator[Store]:
    """The store with the API's login."""
    async with Store.open(postgres.api_url, search_pool_size=4) as opened:
        yield opened


@pytest.fixture
async def owner(postgres: Postgres) -> AsyncIterator[psycopg.AsyncConnection[tuple[Any, ...]]]:
    """A connection as the owner of the tables, in autocommit mode."""
    async with await psycopg.AsyncConnection.connect(postgres.owner_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def tenant() -> str:
    return new_tenant()


@pytest.fixture(scope="session")
def settings(postgres: Postgres, temporal: Temporal) -> Settings:
    return Settings.model_validate(
        {
            "temporal": {"hostPort": temporal.address, "namespace": temporal.namespace},
            "database": {"url": SecretStr(postgres.worker_url)},
            "api": {"port": choose(), "waitStoredSeconds": GENEROUS_S},
        }
    )


def converter(*, compressed: bool = True) -> DataConverter:
    """The API's data converter, without encryption."""
    return data_converter_for(SecuritySettings(enableCompression=compressed), Keyring(), max_sent_bytes=MAX_SENT_BYTES)


@pytest.fixture(scope="session")
async def client(settings: Settings) -> Client:
    return await connect(settings.temporal, converter())


@pytest.fixture(scope="session")
async def worker(client: Client, store: Store, settings: Settings) -> AsyncIterator[None]:
    async with process.create_worker(client, store, settings):
        async with asyncio.timeout(GENEROUS_S):
            await wait_for_polls(client, "audit-queue")
        yield


@pytest.fixture
async def installed_schedules(client: Client) -> AsyncIterator[None]:
    """Create the schedules; afterwards wait for their runs and delete them, so that none runs into another test."""
    await schedules.ensure_schedules(client)
    yield
    async with asyncio.timeout(GENEROUS_S):
        for name in schedules.all_schedules():
            schedule = client.get_schedule_handle(name)
            await schedule.pause()
            for run in (await schedule.describe()).info.running_actions:
                assert isinstance(run, ScheduleActionExecutionStartWorkflow)
                with suppress(WorkflowFailureError):
                    await client.get_workflow_handle(run.workflow_id).result()
            await schedule.delete()


@pytest.fixture(scope="session")
def sandbox() -> SandboxedWorkflowRunner:
    """Temporal's sandbox, which forbids calls that cannot be replayed. Our workers run without it."""
    # Messages must be the same classes inside and outside the sandbox, or msgspec does not recognise them.
    restrictions = SandboxRestrictions.default.with_passthrough_modules(
        "msgspec", "trenova.domain", "trenova.activities"
    )
    return SandboxedWorkflowRunner(restrictions=restrictions)


def replayer(workflows: Sequence[type], runner: SandboxedWorkflowRunner, data_converter: DataConverter) -> Replayer:
    """A replayer without the deadlock detector, which mistakes a stall of two seconds for a deadlock."""
    return Replayer(workflows=workflows, workflow_runner=runner, data_converter=data_converter, debug_mode=True)


@asynccontextmanager
async def serving(
    settings: Settings, store: Store, client: Client, remote: RemoteCodec | None = None, spool: Spool | None = None
) -> AsyncIterator[str]:
    """Serve the API on a real port within the block; yield its address."""
    api = app.create(settings, store, client, public_keys_of(SIGNER), remote, spool=spool)
    server = uvicorn.Server(server_config(api, drain_s=settings.api.drain_seconds, port=settings.api.port))
    running = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(GENEROUS_S):
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{settings.api.port}"
    finally:
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await running


@pytest.fixture(scope="session")
async def api_url(settings: Settings, api_store: Store, client: Client, worker: None) -> AsyncIterator[str]:
    async with serving(settings, api_store, client) as url:
        yield url


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """API keys of one tenant, and one for any tenant."""

    tenant: str
    writer: str
    reader: str
    admin: str
    any_tenant: str


@pytest.fixture
async def keys(store: Store) -> Keys:
    tenant = new_tenant()

    async def create(role: Role, of: str | None) -> str:
        return (await store.api_keys.create(tenant=of, role=role, name="test", by="test")).text

    return Keys(
        tenant=tenant,
        writer=await create("writer", tenant),
        reader=await create("reader", tenant),
        admin=await create("admin", tenant),
        any_tenant=await create("admin", None),
    )


@pytest.fixture
async def api(api_url: str, keys: Keys) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API with the admin key of the test's tenant."""
    headers = {"Authorization": f"Bearer {keys.admin}"}
    async with httpx.AsyncClient(base_url=api_url, headers=headers, timeout=GENEROUS_S, verify=False) as opened:
        yield opened


def new_tenant() -> str:
    return f"t-{uuid.uuid4().hex[:12]}"
