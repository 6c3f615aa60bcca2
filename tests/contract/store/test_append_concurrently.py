"""Many writers to the same ledgers at once."""

import asyncio
import random
import uuid
from itertools import pairwise
from typing import Any

import psycopg

from conftest import new_tenant
from examples import SIGNER, body
from trenova.dev.postgres import Postgres
from trenova.store import Store

WRITERS, BATCHES, ENTRIES = 8, 30, 10


async def test_concurrent_writers_for_many_tenants_leave_no_gap_no_double_and_no_deadlock(
    postgres: Postgres, owner: psycopg.AsyncConnection[tuple[Any, ...]]
) -> None:
    tenants = [new_tenant() for _ in range(6)]
    shared = [body(random.choice(tenants), id=str(uuid.uuid4())) for _ in range(WRITERS * BATCHES * ENTRIES // 4)]

    async def write(store: Store) -> tuple[int, int, set[bytes]]:
        stored = duplicate = 0
        sent: set[bytes] = set()
        for _ in range(BATCHES):
            batch = random.sample(shared, ENTRIES)
            result = await store.entries.append(str(uuid.uuid4()), batch)
            assert result.stored + result.duplicate == ENTRIES
            stored, duplicate = stored + result.stored, duplicate + result.duplicate
            sent.update(batch)
        return stored, duplicate, sent

    async with Store.open(postgres.worker_url, pool_size=WRITERS, signer=SIGNER) as store:
        counts = await asyncio.gather(*(write(store) for _ in range(WRITERS)))
    sent = set().union(*(each for _, _, each in counts))
    assert sum(stored for stored, _, _ in counts) == len(sent)
    assert sum(duplicate for _, duplicate, _ in counts) > 0

    rows = await (
        await owner.execute("SELECT tenant, index, body FROM entries WHERE tenant = ANY(%s)", [tenants])
    ).fetchall()
    assert {bytes(each) for _, _, each in rows} == sent
    assert len(rows) == len(sent)
    for tenant in tenants:
        indexes = sorted(index for name, index, _ in rows if name == tenant)
        assert indexes == list(range(len(indexes)))
    noted = await (
        await owner.execute(
            "SELECT tenant, first_index, stored FROM batches WHERE tenant = ANY(%s) AND stored > 0"
            " ORDER BY tenant, first_index",
            [tenants],
        )
    ).fetchall()
    for one, following in pairwise(noted):
        assert following[1] == (one[1] + one[2] if following[0] == one[0] else 0)


async def test_the_same_batch_from_two_workers_at_once_is_stored_once(store: Store) -> None:
    tenants = [new_tenant() for _ in range(3)]
    batch, name = [body(tenant) for tenant in tenants], str(uuid.uuid4())
    results = await asyncio.gather(*(store.entries.append(name, batch) for _ in range(6)))
    assert {(result.stored, result.duplicate) for result in results} == {(3, 0)}
    assert {head.size for result in results for head in result.heads} == {1}
