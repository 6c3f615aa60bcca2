"""The trees that appends extend: stored with the entries in one transaction, and right in every byte."""

import asyncio
import random
import uuid
from base64 import b64decode
from typing import Any

import psycopg
import pytest
from psycopg import sql

from conftest import GENEROUS_S, new_tenant
from contract.store.ledger_check import check_ledger, past_triggers
from examples import SIGNER, bodies, body
from trenova.dev.postgres import Postgres
from trenova.errors import InvalidConfiguration, LedgerDamaged, Unavailable
from trenova.ledger import checkpoint, note
from trenova.store import Store

Owner = psycopg.AsyncConnection[tuple[Any, ...]]

WRITERS, BATCHES = 6, 20


def batch_id() -> str:
    return str(uuid.uuid4())


async def test_a_ledger_grows_over_the_edges_of_tiles_and_every_append_is_signed(
    store: Store, owner: Owner, tenant: str
) -> None:
    sizes, size = [], 0
    for count in (1, 1, 253, 1, 1, 300, 700):
        result = await store.entries.append(batch_id(), bodies(tenant, count))
        size += count
        sizes.append(size)
        (head,) = result.heads
        signed = await store.ledgers.at(tenant, size)
        assert signed is not None
        assert checkpoint.parse(note.parse(signed.note).text).root == b64decode(head.root)
        assert head.size == size
    assert await check_ledger(owner, tenant) == sizes


async def test_a_batch_of_duplicates_only_signs_nothing_and_returns_the_stored_root(
    store: Store, owner: Owner, tenant: str
) -> None:
    sent = bodies(tenant, 3)
    first = await store.entries.append(batch_id(), sent)
    before = await store.ledgers.newest(tenant)
    again = await store.entries.append(batch_id(), sent)
    assert (again.stored, again.heads) == (0, first.heads)
    assert await store.ledgers.newest(tenant) == before
    assert await check_ledger(owner, tenant) == [3]


async def test_many_writers_for_many_tenants_leave_trees_that_are_right_in_every_byte(
    postgres: Postgres, owner: Owner
) -> None:
    tenants = [new_tenant() for _ in range(5)]
    shared = [body(random.choice(tenants), id=str(uuid.uuid4())) for _ in range(900)]

    async def write(store: Store) -> None:
        for _ in range(BATCHES):
            await store.entries.append(batch_id(), random.sample(shared, random.randint(1, 60)))

    async with Store.open(postgres.worker_url, pool_size=WRITERS, signer=SIGNER) as store:
        await asyncio.gather(*(write(store) for _ in range(WRITERS)))
    for tenant in tenants:
        sizes = await check_ledger(owner, tenant)
        noted = await owner.execute(
            "SELECT first_index + stored FROM batches WHERE tenant = %s AND stored > 0 ORDER BY 1", [tenant]
        )
        assert sizes == [size for (size,) in await noted.fetchall()]


@pytest.mark.parametrize("table", ["tiles", "checkpoints"])
async def test_a_connection_that_is_killed_after_the_insert_leaves_nothing_of_the_append(
    store: Store, postgres: Postgres, owner: Owner, tenant: str, table: str
) -> None:
    await store.entries.append(batch_id(), bodies(tenant, 5))
    sent = bodies(tenant, 400)
    async with await psycopg.AsyncConnection.connect(postgres.owner_url) as holder:
        # The rows are inserted, and for checkpoints the tiles and the head are written: the append waits for the table.
        await holder.execute(sql.SQL("LOCK TABLE {} IN SHARE MODE").format(sql.Identifier(table)))
        attempt = asyncio.create_task(store.entries.append(batch_id(), sent))
        blocked = "SELECT pid FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
        async with asyncio.timeout(GENEROUS_S):
            while not (found := await (await owner.execute(blocked, [holder.info.backend_pid])).fetchone()):  # noqa: ASYNC110 - PostgreSQL has no event for it
                await asyncio.sleep(0.02)
        await owner.execute("SELECT pg_terminate_backend(%s)", [found[0]])
        with pytest.raises(Unavailable, match=r"the database is (unavailable|unreachable)"):
            await attempt
    assert await check_ledger(owner, tenant) == [5]
    await store.entries.append(batch_id(), sent)
    assert await check_ledger(owner, tenant) == [5, 405]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param("DELETE FROM tiles WHERE tenant = %s AND level = 0 AND index = 1", id="gone"),
        pytest.param(
            "UPDATE tiles SET hashes = substring(hashes FROM 33) WHERE tenant = %s AND level = 0 AND index = 1",
            id="too short",
        ),
        pytest.param(
            "UPDATE tiles SET hashes = hashes || sha256('') WHERE tenant = %s AND level = 0 AND index = 1",
            id="too long",
        ),
    ],
)
async def test_nothing_is_appended_to_a_tile_of_another_length(
    store: Store, owner: Owner, tenant: str, damage: str
) -> None:
    await store.entries.append(batch_id(), bodies(tenant, 300))
    await past_triggers(owner, damage, tenant)
    with pytest.raises(LedgerDamaged, match=f"tile 1 of level 0 of the ledger {tenant}: expected 1600 bytes"):
        await store.entries.append(batch_id(), bodies(tenant, 6))
    count = await owner.execute("SELECT count(*) FROM entries WHERE tenant = %s", [tenant])
    assert await count.fetchone() == (300,)


@pytest.mark.parametrize("count", [1, 2, 3])
async def test_a_head_that_was_set_back_does_not_sign_a_second_history(
    store: Store, owner: Owner, tenant: str, count: int
) -> None:
    """Whether the append ends before the size that was signed, at it, or jumps over it."""
    for size in (1, 2):
        await store.entries.append(batch_id(), bodies(tenant, size))
    await past_triggers(owner, "DELETE FROM entries WHERE tenant = %s AND index > 0", tenant)
    await past_triggers(owner, "UPDATE tiles SET hashes = substring(hashes FOR 32) WHERE tenant = %s", tenant)
    await past_triggers(owner, "UPDATE heads SET size = 1, frontier = sha256('') WHERE tenant = %s", tenant)
    with pytest.raises(LedgerDamaged, match=f"head of the ledger {tenant} was set back: expected no checkpoint beyond"):
        await store.entries.append(batch_id(), bodies(tenant, count))
    stored = await owner.execute("SELECT count(*) FROM entries WHERE tenant = %s", [tenant])
    assert await stored.fetchone() == (1,)


async def test_nothing_is_appended_without_a_signing_key(postgres: Postgres, tenant: str) -> None:
    async with Store.open(postgres.worker_url) as store:
        with pytest.raises(InvalidConfiguration, match="no signing key, so it can append nothing"):
            await store.entries.append(batch_id(), bodies(tenant, 1))
        with pytest.raises(InvalidConfiguration, match="no signing key, so it can append nothing"):
            await store.checkpoints.sign_anew()
