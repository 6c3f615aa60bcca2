"""What databases and networks do on bad days: each batch waits, says what for, and is stored once by itself."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psycopg
import pytest

from conftest import GENEROUS_S, new_tenant
from trenova.api.database_watch import DatabaseWatch
from trenova.api.health import NO_ANSWER, check_database
from trenova.dev import schema
from trenova.dev.postgres import DATABASE, Postgres
from workflow.outage import Scene, scene, scheduled, seen, waits

pytestmark = pytest.mark.long


@pytest.fixture
async def servers(folder: Path) -> AsyncIterator[Scene]:
    async with scene(folder / f"bad-day-{uuid.uuid4()}") as opened:
        yield opened


ONLY_READS = "the database is read-only: "


@pytest.mark.parametrize(
    ("broken", "mended", "said"),
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
async def test_a_batch_waits_until_the_operator_has_mended_it(
    servers: Scene, tenant: str, broken: list[str], mended: list[str], said: str
) -> None:
    async with servers.worker(), asyncio.timeout(GENEROUS_S):
        await servers.tell(*broken)
        await servers.drop_connections()
        handle = await servers.start(tenant)
        assert (await waits(handle, why=said)).startswith(said)
        assert not (await seen(handle)).failed
        await servers.tell(*mended)
        assert (await handle.result()).stored == 3
    await servers.check_stored_once(tenant, 3)


async def test_a_batch_waits_at_a_standby_until_it_is_promoted(folder: Path, tenant: str) -> None:
    """The failover that went to a server which nobody has promoted."""
    place = folder / f"standby-{uuid.uuid4()}"
    async with Postgres(place).running() as postgres:
        await schema.prepare(postgres)
        data = await data_folder(postgres)
    (data / "standby.signal").touch()
    async with scene(place, prepared=True) as servers, servers.worker() as store, asyncio.timeout(GENEROUS_S):
        handle = await servers.start(tenant)
        assert (await waits(handle, why=ONLY_READS)).startswith(ONLY_READS)
        # It reads, so lists and proofs go on; asked again where the machine is too slow for an answer in time.
        while (found := await check_database(store, DatabaseWatch(store.knock, lambda: None))) != "ok":
            assert found == NO_ANSWER
        await servers.tell("SELECT pg_promote()")
        assert (await handle.result()).stored == 3
        await servers.check_stored_once(tenant, 3)


async def test_a_batch_waits_until_there_is_room_on_the_disk(servers: Scene, tenant: str) -> None:
    async with servers.worker(), asyncio.timeout(GENEROUS_S):
        with full_disk(await file_of(servers.postgres, "batches")):
            handle = await servers.start(tenant)
            await waits(handle, why="No space left on device")
            # What had found room before is rolled back.
            await servers.check_stored_once(tenant, 0)
        # Sessions that had opened the full one would go on with it.
        await servers.drop_connections()
        assert (await handle.result()).stored == 3
    await servers.check_stored_once(tenant, 3)


async def test_a_backend_that_is_killed_in_the_middle_of_an_append_costs_another_attempt(
    servers: Scene, tenant: str
) -> None:
    async with servers.worker(), asyncio.timeout(GENEROUS_S):
        async with held(servers, tenant) as holder:
            handle = await servers.start(tenant)
            await servers.tell(f"SELECT pg_terminate_backend({await blocked_by(servers, holder)})")
        assert (await handle.result()).stored == 3
    await servers.check_stored_once(tenant, 3)


async def test_a_statement_that_is_given_up_holds_up_no_other_tenant(servers: Scene, tenant: str) -> None:
    other = new_tenant()
    async with servers.worker(), asyncio.timeout(GENEROUS_S):
        async with held(servers, tenant) as holder:
            handle = await servers.start(tenant)
            await scheduled(handle)
            while not (failed := (await seen(handle)).failed):
                await servers.tell(f"SELECT pg_cancel_backend({await blocked_by(servers, holder)})")
            assert failed.startswith("the database is too slow: ")
            assert (await (await servers.start(other)).result()).stored == 3
        assert (await handle.result()).stored == 3
    await servers.check_stored_once(tenant, 3)
    await servers.check_stored_once(other, 3)


async def test_a_slow_network_is_only_slow(servers: Scene, tenant: str) -> None:
    servers.network.delay_s = 0.1
    async with servers.worker(), asyncio.timeout(GENEROUS_S):
        handles = [await servers.start(tenant, 200) for _ in range(3)]
        assert sum([(await handle.result()).stored for handle in handles]) == 600
    await servers.check_stored_once(tenant, 600)


async def test_a_commit_whose_answer_is_lost_is_not_done_twice(servers: Scene, tenant: str) -> None:
    async with servers.worker(), asyncio.timeout(GENEROUS_S):
        async with held(servers, tenant) as holder:
            handle = await servers.start(tenant)
            await blocked_by(servers, holder)
            servers.network.mode = "lose answers"
        await servers.network.lost.wait()
        servers.network.cut()
        servers.network.mode = "pass"
        assert (await handle.result()).stored == 3
    await servers.check_stored_once(tenant, 3)


@asynccontextmanager
async def held(servers: Scene, tenant: str) -> AsyncIterator[int]:
    """Hold the tenant's head; gives the number of this session. An append waits for it, its rows copied."""
    async with await psycopg.AsyncConnection.connect(servers.postgres.owner_url, autocommit=True) as holder:
        await holder.execute("INSERT INTO heads (tenant) VALUES (%s)", [tenant])
        async with holder.transaction():
            await holder.execute("SELECT FROM heads WHERE tenant = %s FOR UPDATE", [tenant])
            yield holder.info.backend_pid


async def blocked_by(servers: Scene, holder: int) -> int:
    """The server process that waits for what `holder` holds."""
    question = "SELECT pid FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
    async with await psycopg.AsyncConnection.connect(servers.postgres.owner_url, autocommit=True) as owner:
        while not (found := await (await owner.execute(question, [holder])).fetchone()):  # noqa: ASYNC110 - PostgreSQL has no event for it
            await asyncio.sleep(0.02)
    pid: int = found[0]
    return pid


async def data_folder(postgres: Postgres) -> Path:
    async with await postgres.connect(DATABASE) as connection:
        (found,) = await (await connection.execute("SHOW data_directory")).fetchone() or ("",)
    return Path(str(found))


async def file_of(postgres: Postgres, table: str) -> Path:
    """The file that holds the table; empty as long as nothing was written to it."""
    async with await postgres.connect(DATABASE) as connection:
        (found,) = await (await connection.execute("SELECT pg_relation_filepath(%s)", [table])).fetchone() or ("",)
    file = await data_folder(postgres) / str(found)
    assert file.stat().st_size == 0
    return file


@contextmanager
def full_disk(file: Path) -> Iterator[None]:
    """A disk that is full where this empty file lies: the kernel's own, on which every write fails with ENOSPC."""
    kept = file.with_suffix(".kept")
    file.rename(kept)
    file.symlink_to("/dev/full")
    try:
        yield
    finally:
        kept.replace(file)
