"""An append that is interrupted leaves nothing, and the next attempt stores everything once."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from conftest import GENEROUS_S
from examples import SIGNER, bodies, ids
from trenova.dev.postgres import Postgres
from trenova.domain.entry import SealedEntry
from trenova.errors import Unavailable
from trenova.store import Store

Owner = psycopg.AsyncConnection[tuple[Any, ...]]


@asynccontextmanager
async def hold_head(postgres: Postgres, owner: Owner, tenant: str) -> AsyncIterator[int]:
    """Lock the tenant's head; yields the process id of this connection. An append waits for it, its rows copied."""
    await owner.execute("INSERT INTO heads (tenant) VALUES (%s) ON CONFLICT DO NOTHING", [tenant])
    async with await psycopg.AsyncConnection.connect(postgres.owner_url) as holder:
        await holder.execute("SELECT FROM heads WHERE tenant = %s FOR UPDATE", [tenant])
        yield holder.info.backend_pid


async def process_waiting_for(owner: Owner, holder: int) -> int:
    """The server process that waits for a lock of `holder`."""
    question = "SELECT pid FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
    async with asyncio.timeout(GENEROUS_S):
        while not (found := await (await owner.execute(question, [holder])).fetchone()):  # noqa: ASYNC110 - PostgreSQL has no event for it
            await asyncio.sleep(0.02)
    pid: int = found[0]
    return pid


async def check_ledger(store: Store, owner: Owner, tenant: str, sent: list[bytes]) -> None:
    """Check that nothing is stored, and that the next attempt stores everything."""
    left = await owner.execute(
        "SELECT (SELECT count(*) FROM entries WHERE tenant = %(t)s), (SELECT size FROM heads WHERE tenant = %(t)s),"
        " (SELECT count(*) FROM batches WHERE tenant = %(t)s)",
        {"t": tenant},
    )
    assert await left.fetchone() == (0, 0, 0)
    name = str(uuid.uuid4())
    for _ in range(2):
        result = await store.entries.append(name, sent)
        assert (result.stored, result.duplicate, result.heads[0].size) == (len(sent), 0, len(sent))
    asked = [SealedEntry(id=id_, tenant=tenant, body=each) for id_, each in zip(ids(sent), sent, strict=True)]
    receipts = await store.entries.receipts([name], asked)
    assert sorted(receipt.index for receipt in receipts.values()) == list(range(len(sent)))


async def test_a_connection_that_is_killed_leaves_nothing_and_the_next_attempt_stores_everything(
    store: Store, postgres: Postgres, owner: Owner, tenant: str
) -> None:
    sent = bodies(tenant, 20)
    async with hold_head(postgres, owner, tenant) as holder:
        attempt = asyncio.create_task(store.entries.append(str(uuid.uuid4()), sent))
        await owner.execute("SELECT pg_terminate_backend(%s)", [await process_waiting_for(owner, holder)])
        with pytest.raises(Unavailable, match=r"the database is (unavailable|unreachable)"):
            await attempt
    await check_ledger(store, owner, tenant, sent)


async def test_an_attempt_that_is_cancelled_leaves_nothing_and_its_connection_is_usable_for_the_next(
    postgres: Postgres, owner: Owner, tenant: str
) -> None:
    sent = bodies(tenant, 20)
    async with Store.open(postgres.worker_url, pool_size=1, signer=SIGNER) as store:
        async with hold_head(postgres, owner, tenant) as holder:
            attempt = asyncio.create_task(store.entries.append(str(uuid.uuid4()), sent))
            await process_waiting_for(owner, holder)
            attempt.cancel()
            with pytest.raises(asyncio.CancelledError):
                await attempt
        await check_ledger(store, owner, tenant, sent)


async def test_connections_that_died_in_the_pool_are_replaced_without_an_error(
    postgres: Postgres, owner: Owner, tenant: str
) -> None:
    async with Store.open(postgres.worker_url, pool_size=2, signer=SIGNER) as store:
        await asyncio.gather(store.ping(), store.ping())
        await owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename ~ '^trenova_dev_' AND state = 'idle'"
        )
        assert (await store.entries.append(str(uuid.uuid4()), bodies(tenant, 2))).stored == 2
