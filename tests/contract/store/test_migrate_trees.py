"""A database with entries from before the trees gets a tree for each ledger."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from contract.store.ledger_check import check_ledger
from databases import own_database
from examples import SIGNER, bodies
from trenova.dev.postgres import Postgres
from trenova.store import Store, migrate, schema
from trenova.store.appending.rows import row_of_body
from trenova.store.verification import Verifier, processes

Owner = psycopg.AsyncConnection[tuple[Any, ...]]
SIZES = {"empty": 0, "globex": 1, "initech": 257, "acme": 2500}
COLUMNS = (
    "index, tenant, id, occurred_at, received_at, actor_type, actor_id, action, target_type, target_id, outcome, body"
)


@pytest.fixture
async def old(postgres: Postgres) -> AsyncIterator[str]:
    """The owner's address of a database of the schema 0001, with entries."""
    async with own_database(postgres, "0001") as made:
        async with await psycopg.AsyncConnection.connect(made.owner_url) as connection:
            for tenant, size in SIZES.items():
                await connection.execute("INSERT INTO heads (tenant, size) VALUES (%s, %s)", [tenant, size])
                async with connection.cursor().copy(f"COPY entries ({COLUMNS}) FROM STDIN") as copy:
                    for index, body in enumerate(bodies(tenant, size)):
                        *searched, _, _, _ = row_of_body(index, body, bytes(16))
                        await copy.write_row([*searched, body])
                noted = "INSERT INTO batches (xid, tenant, batch_id, first_index, stored, duplicate) VALUES"
                for number, (first, end) in enumerate([(0, size // 2), (size // 2, size)]):
                    await connection.execute(
                        f"{noted} (%s::text::xid8, %s, 'old', %s, %s, 0)", [str(number), tenant, first, end - first]
                    )
        yield made.owner_url


async def test_stored_entries_become_the_leaves_of_trees_that_the_first_worker_signs(old: str) -> None:
    assert await asyncio.to_thread(migrate.upgrade, old) == schema.latest()
    async with (
        await psycopg.AsyncConnection.connect(old, autocommit=True) as owner,
        Store.open(old, signer=SIGNER) as store,
    ):
        for tenant in SIZES:
            assert await check_ledger(owner, tenant) == []
        assert await store.checkpoints.sign_anew() == 3
        for tenant, size in SIZES.items():
            assert await check_ledger(owner, tenant) == ([size] if size else [])
            await store.entries.append(str(uuid.uuid4()), bodies(tenant, 300))
            assert await check_ledger(owner, tenant) == [*([size] if size else []), size + 300]
    with processes(1) as workers:
        verifier = Verifier(url=old, keys=SIGNER.keys, workers=workers)
        assert [verdict.places async for verdict in verifier.logs(lambda *_: None)] == [[]] * len(SIZES)


async def test_a_ledger_with_a_gap_is_not_migrated_and_left_unchanged(old: str) -> None:
    async with await psycopg.AsyncConnection.connect(old, autocommit=True) as owner:
        await owner.execute("UPDATE heads SET size = 3000 WHERE tenant = 'acme'")
        with pytest.raises(Exception, match="the log of acme has 2500 entries, expected 3000"):
            await asyncio.to_thread(migrate.upgrade, old)
        found = await owner.execute("SELECT version_num FROM schema_version")
        assert await found.fetchone() == ("0001",)
