"""A session that locks a table exclusively while another reads it for long: neither waits forever or blocks others."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from conftest import GENEROUS_S
from databases import own_database
from examples import SIGNER, bodies
from trenova.dev.postgres import Postgres
from trenova.domain.verification import LedgerVerdict
from trenova.errors import Blocked
from trenova.ledger.tiles import WIDTH
from trenova.store import Store, migrate, schema
from trenova.store.verification import Verifier, processes, verifier

Owner = psycopg.AsyncConnection[tuple[Any, ...]]
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
# The last revision whose successor changes a table that is being read all the time.
BEFORE = "0005"


def take_table(url: str) -> None:
    # So that a failing test ends, too.
    with psycopg.connect(url, options=f"-c lock_timeout={GENEROUS_S}s") as connection:
        connection.execute("LOCK TABLE entries IN ACCESS EXCLUSIVE MODE")


def until_a_session_waits(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        began = time.monotonic()
        while connection.execute(WAITING).fetchone() == (0,):
            assert time.monotonic() - began < GENEROUS_S
            time.sleep(0.05)


async def test_a_verification_gives_way_to_a_session_that_waits_for_a_table(
    store: Store, postgres: Postgres, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.entries.append(str(uuid.uuid4()), bodies(tenant, 2 * WIDTH + 1))
    # Small stretches, the next one begun when the one before it is done.
    monkeypatch.setattr(verifier, "AHEAD", 0)
    monkeypatch.setattr(verifier, "LENGTH", WIDTH)
    taken: list[Future[None]] = []

    def progress(*_: int) -> None:
        if not taken:
            taken.append(beside.submit(take_table, postgres.owner_url))
            until_a_session_waits(postgres.owner_url)

    with ThreadPoolExecutor(1) as beside, processes(1) as workers:

        async def verdicts() -> list[LedgerVerdict]:
            verifying = Verifier(url=postgres.worker_url, keys=SIGNER.keys, workers=workers)
            return [verdict async for verdict in verifying.logs(progress, tenant=tenant)]

        with pytest.raises(Blocked, match="blocked by another transaction"):
            await verdicts()
        await asyncio.to_thread(taken[0].result, GENEROUS_S)
        assert [verdict.places for verdict in await verdicts()] == [[]]


@pytest.fixture
async def old(postgres: Postgres) -> AsyncIterator[str]:
    """The owner's address of a database with a schema that is one too old."""
    async with own_database(postgres, BEFORE) as made:
        yield made.owner_url


async def test_a_migration_lets_others_through_while_it_waits_and_continues_when_the_table_is_free(old: str) -> None:
    async with await psycopg.AsyncConnection.connect(old) as reading, asyncio.timeout(GENEROUS_S):
        await reading.execute("SELECT count(*) FROM entries")
        upgraded = asyncio.create_task(asyncio.to_thread(migrate.upgrade, old))
        await asyncio.to_thread(until_a_session_waits, old)
        async with await psycopg.AsyncConnection.connect(old) as other:
            await other.execute("SELECT count(*) FROM entries")
        assert not upgraded.done()
        await reading.rollback()
        assert await upgraded == schema.latest()


async def test_a_migration_that_finds_a_table_locked_for_long_says_so_and_changes_nothing(
    old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "PATIENCE_S", 1)
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT", "100ms")
    async with await psycopg.AsyncConnection.connect(old) as reading:
        await reading.execute("SELECT count(*) FROM entries")
        with pytest.raises(Blocked, match="blocked by another transaction") as failure:
            await asyncio.to_thread(migrate.upgrade, old)
        assert "pg_stat_activity" in str(failure.value.hint)
        found = await reading.execute("SELECT version_num FROM schema_version")
        assert await found.fetchall() == [(BEFORE,)]
