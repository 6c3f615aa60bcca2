"""Faults of databases and networks: each batch waits, shows the reason, and is stored once without help."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psycopg
import pytest

import prepared
from conftest import GENEROUS_S, new_tenant
from trenova.api.database_watch import DatabaseWatch
from trenova.api.health import NO_ANSWER, check_database
from trenova.dev.postgres import DATABASE, Postgres
from waiting import pauses
from workflow.outage import Servers, open_servers, pending_attempt, wait_until_scheduled, wait_until_waiting

pytestmark = pytest.mark.long


@pytest.fixture
async def servers(folder: Path) -> AsyncIterator[Servers]:
    async with open_servers(prepared.prepare(folder / f"bad-day-{uuid.uuid4()}")) as servers:
        yield servers


ONLY_READS = "the database is read-only: "


@pytest.mark.parametrize(
    ("breaking", "fixing", "reason"),
    [
        pytest.param(
            ["ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"],
            [
                "SET default_transaction_read_only = off",
                "ALTER SYSTEM RESET default_transaction_read_only",
                "SELECT pg_reload_conf()",
            ],
            ONLY_READS,
            id="a server that only reads",
        ),
        pytest.param(
            [f"ALTER DATABASE {DATABASE} SET default_transaction_read_only = on"],
            [f"ALTER DATABASE {DATABASE} RESET default_transaction_read_only"],
            ONLY_READS,
            id="a database that only reads",
        ),
        pytest.param(
            ["ALTER ROLE trenova_dev_worker CONNECTION LIMIT 0"],
            ["ALTER ROLE trenova_dev_worker CONNECTION LIMIT -1"],
            "the database is unavailable: ",
            id="out of connections",
        ),
    ],
)
async def test_a_batch_waits_until_the_operator_has_fixed_the_database(
    servers: Servers, tenant: str, breaking: list[str], fixing: list[str], reason: str
) -> None:
    async with servers.worker(), asyncio.timeout(GENEROUS_S):
        await servers.execute(*breaking)
        await servers.drop_connections()
        handle = await servers.start(tenant)
        assert (await wait_until_waiting(handle, why=reason)).startswith(reason)
        assert not (await pending_attempt(handle)).failed
        await servers.execute(*fixing)
        assert (await handle.result()).stored == 3
    await servers.check_stored_once(tenant, 3)


async def test_a_batch_waits_at_a_standby_until_it_is_promoted(folder: Path, tenant: str) -> None:
    """A failover to a server that was not promoted."""
    place = prepared.prepare(folder / f"standby-{uuid.uuid4()}")
    async with Postgres(place).running() as postgres:
        data = await data_folder(postgres)
    (data / "standby.signal").touch()
    async with open_servers(place) as servers, servers.worker() as store, asyncio.timeout(GENEROUS_S):
        handle = await servers.start(tenant)
        assert (await wait_until_waiting(handle, why=ONLY_READS)).startswith(ONLY_READS)
        # Reads succeed, so lists and proofs work; repeated if the machine is too slow for an answer in time.
        while (status := await check_database(store, DatabaseWatch(store.knock, lambda: None))) != "ok":
            assert status == NO_ANSWER
        await servers.execute("SELECT pg_promote()")
        assert (await handle.result()).stored == 3
        await servers.check_stored_once(tenant, 3)


async def test_a_batch_waits_until_there_is_room_on_the_disk(servers: Servers, tenant: str) -> None:
    async with servers.worker(), asyncio.timeout(GENEROUS_S):
        with full_disk(await file_of(servers.postgres, "batches")):
            handle = await servers.start(tenant)
            await wait_until_waiting(handle, why="No space left on device")
            # The rows that still fit are rolled back.
            await servers.check_stored_once(tenant, 0)
        # Open sessions would keep writing to the full file.
        await servers.drop_connections()
        assert (await handle.result()).stored == 3
    await servers.check_stored_once(tenant, 3)


async def test_a_backend_that_is_killed_during_an_append_costs_another_attempt(servers: Servers, tenant: str) -> None:
    async with servers.worker(), asyncio.timeout(GENEROUS_S):
        async with lock_head(servers, tenant) as holder:
            handle = await servers.start(tenant)
            await servers.execute(f"SELECT pg_terminate_backend({await blocked_process(servers, holder)})")
        assert (await handle.result()).stored == 3
    await servers.check_stored_once(tenant, 3)


async def test_a_cancelled_statement_delays_no_other_tenant(servers: Servers, tenant: str) -> None:
    other = new_tenant()
    async with servers.worker(), asyncio.timeout(GENEROUS_S):
        async with lock_head(servers, tenant) as holder:
            handle = await servers.start(tenant)
            await wait_until_scheduled(handle)
            failed = ""
            for pause in pauses():
                if failed := (await pending_attempt(handle)).failed:
                    break
                await servers.execute(f"SELECT pg_cancel_backend({await blocked_process(servers, holder)})")
                await asyncio.sleep(pause)
            assert failed.startswith("the database is too slow: ")
            assert (await (await servers.start(other)).result()).stored == 3
        assert (await handle.result()).stored == 3
    await servers.check_stored_once(tenant, 3)
    await servers.check_stored_once(other, 3)


async def test_a_slow_network_is_only_slow(servers: Servers, tenant: str) -> None:
    servers.network.delay_s = 0.1
    async with servers.worker(), asyncio.timeout(GENEROUS_S):
        handles = [await servers.start(tenant, 200) for _ in range(3)]
        assert sum([(await handle.result()).stored for handle in handles]) == 600
    await servers.check_stored_once(tenant, 600)


async def test_a_commit_whose_answer_is_lost_is_not_done_twice(servers: Servers, tenant: str) -> None:
    async with servers.worker(), asyncio.timeout(GENEROUS_S):
        async with lock_head(servers, tenant) as holder:
            handle = await servers.start(tenant)
            await blocked_process(servers, holder)
            servers.network.mode = "lose answers"
        await servers.network.lost.wait()
        servers.network.cut()
        servers.network.mode = "pass"
        assert (await handle.result()).stored == 3
    await servers.check_stored_once(tenant, 3)


@asynccontextmanager
async def lock_head(servers: Servers, tenant: str) -> AsyncIterator[int]:
    """Lock the tenant's head and yield the pid of this session. An append copies its rows, then waits for the lock."""
    async with await psycopg.AsyncConnection.connect(servers.postgres.owner_url, autocommit=True) as holder:
        await holder.execute("INSERT INTO heads (tenant) VALUES (%s)", [tenant])
        async with holder.transaction():
            await holder.execute("SELECT FROM heads WHERE tenant = %s FOR UPDATE", [tenant])
            yield holder.info.backend_pid


async def blocked_process(servers: Servers, holder: int) -> int:
    """The pid of the server process that waits for the lock of `holder`."""
    query = "SELECT pid FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
    async with await psycopg.AsyncConnection.connect(servers.postgres.owner_url, autocommit=True) as owner:
        while not (row := await (await owner.execute(query, [holder])).fetchone()):  # noqa: ASYNC110 - PostgreSQL has no event for it
            await asyncio.sleep(0.02)
    pid: int = row[0]
    return pid


async def data_folder(postgres: Postgres) -> Path:
    async with await postgres.connect(DATABASE) as connection:
        (path,) = await (await connection.execute("SHOW data_directory")).fetchone() or ("",)
    return Path(str(path))


async def file_of(postgres: Postgres, table: str) -> Path:
    """The file of the table, which must still be empty."""
    async with await postgres.connect(DATABASE) as connection:
        (path,) = await (await connection.execute("SELECT pg_relation_filepath(%s)", [table])).fetchone() or ("",)
    file = await data_folder(postgres) / str(path)
    assert file.stat().st_size == 0
    return file


@contextmanager
def full_disk(file: Path) -> Iterator[None]:
    """Replace this empty file by the kernel's full device, on which every write fails with ENOSPC."""
    original = file.with_suffix(".original")
    file.rename(original)
    file.symlink_to("/dev/full")
    try:
        yield
    finally:
        original.replace(file)
