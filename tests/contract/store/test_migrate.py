"""Migrating databases to the schema of this program; each test has its own database."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from alembic.script import ScriptDirectory

from databases import empty_database
from trenova.dev.ports import choose
from trenova.dev.postgres import Postgres
from trenova.errors import InvalidConfiguration, SchemaMismatch, Unavailable
from trenova.store import Store, migrate, schema

Owner = psycopg.AsyncConnection[tuple[Any, ...]]
TABLES = {
    "api_keys",
    "batches",
    "checkpoints",
    "cosignatures",
    "dead_letters",
    "entries",
    "heads",
    "legal_holds",
    "reconciliations",
    "refused_checkpoints",
    "removals",
    "retention_policies",
    "retention_positions",
    "schema_version",
    "system_records",
    "tiles",
    "unstored_runs",
}

UPGRADE = """
import sys
from trenova.store import migrate
print(migrate.upgrade(sys.argv[1]), "alembic" in sys.modules)
"""


@pytest.fixture
async def empty(postgres: Postgres) -> AsyncIterator[str]:
    """The owner's address of an empty database."""
    async with empty_database(postgres) as made:
        yield made.owner_url


async def tables(url: str) -> set[str]:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        found = await connection.execute("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
        return {str(name) for (name,) in await found.fetchall()}


async def at_revision(url: str, revision: str) -> None:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute("UPDATE schema_version SET version_num = %s", [revision])


async def test_an_empty_database_gets_the_schema_and_a_second_run_changes_nothing(empty: str) -> None:
    for _ in range(2):
        assert await asyncio.to_thread(migrate.upgrade, empty) == schema.latest()
        assert await tables(empty) == TABLES
    async with Store.open(empty) as store:
        await store.check()


def test_the_latest_schema_is_found_without_the_slow_import_of_alembic(postgres: Postgres) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", UPGRADE, postgres.owner_url], capture_output=True, text=True, check=True
    )
    assert ended.stdout.split() == [schema.latest(), "False"]


def test_the_revisions_are_those_that_alembic_knows() -> None:
    scripts = ScriptDirectory.from_config(migrate.alembic_config()).walk_revisions()
    assert [script.revision for script in scripts] == schema.revisions()[::-1]


async def test_programs_that_migrate_at_once_do_so_one_after_the_other(empty: str) -> None:
    revisions = await asyncio.gather(*(asyncio.to_thread(migrate.upgrade, empty) for _ in range(4)))
    assert set(revisions) == {schema.latest()}
    assert await tables(empty) == TABLES


async def test_a_migration_that_fails_leaves_the_database_as_it_was(empty: str) -> None:
    async with await psycopg.AsyncConnection.connect(empty) as connection:
        await connection.execute("CREATE TABLE api_keys (mine text)")
    with pytest.raises(Exception, match="already exists"):
        await asyncio.to_thread(migrate.upgrade, empty)
    assert await tables(empty) == {"api_keys"}


async def test_a_database_without_a_schema_is_an_error_that_names_the_command_to_run(empty: str) -> None:
    async with Store.open(empty) as store:
        with pytest.raises(SchemaMismatch, match="no Trenova schema yet") as failure:
            await store.check()
    assert "trenova migrate" in str(failure.value.hint)


async def test_a_schema_of_a_newer_release_is_an_error_and_left_unchanged(empty: str) -> None:
    await asyncio.to_thread(migrate.upgrade, empty)
    await at_revision(empty, "9999")
    with pytest.raises(SchemaMismatch, match="9999, which is newer than this program"):
        await asyncio.to_thread(migrate.upgrade, empty)
    async with Store.open(empty) as store:
        with pytest.raises(SchemaMismatch, match="newer") as failure:
            await store.check()
    assert "install the release" in str(failure.value.hint)


async def test_migrating_where_no_database_answers_says_so() -> None:
    with pytest.raises(Unavailable, match="the database is unreachable"):
        await asyncio.to_thread(migrate.upgrade, f"postgresql://somebody@127.0.0.1:{choose()}/trenova")


@pytest.mark.parametrize(
    "url", ["mysql://root:secret-word@localhost/x", "secret-word", "", "postgresql://host:secret-word/x"]
)
async def test_the_address_of_something_else_is_a_configuration_error_that_shows_no_password(url: str) -> None:
    with pytest.raises(InvalidConfiguration, match=r"database\.url") as failure:
        await asyncio.to_thread(migrate.upgrade, url)
    assert "secret-word" not in failure.value.message
