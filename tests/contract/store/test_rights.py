"""What the database itself denies, to the application and to the owner of the tables."""

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from examples import body
from trenova.dev.postgres import Postgres
from trenova.store import Store

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


@pytest.fixture
async def application(postgres: Postgres) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(postgres.worker_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(autouse=True)
async def something_to_spoil(store: Store, tenant: str) -> None:
    await store.entries.append("rights", [body(tenant)])


SPOILING = [
    "UPDATE entries SET body = ''",
    "UPDATE entries SET index = index + 1",
    "DELETE FROM entries",
    "TRUNCATE entries",
    "UPDATE batches SET stored = 0",
    "DELETE FROM batches",
    "TRUNCATE batches",
    "DELETE FROM heads",
    "TRUNCATE heads",
    "DELETE FROM tiles",
    "TRUNCATE tiles",
    "DELETE FROM checkpoints",
    "TRUNCATE checkpoints",
    "UPDATE cosignatures SET line = ''",
    "DELETE FROM cosignatures",
    "TRUNCATE cosignatures",
    "DELETE FROM refused_checkpoints",
    "TRUNCATE refused_checkpoints",
    "DELETE FROM dead_letters",
    "TRUNCATE dead_letters",
]


@pytest.mark.parametrize("statement", SPOILING)
async def test_the_application_cannot_change_the_ledger(application: Connection, statement: str) -> None:
    with pytest.raises(InsufficientPrivilege, match="permission denied for table"):
        await application.execute(statement)


@pytest.mark.parametrize("statement", SPOILING)
async def test_a_trigger_stops_even_the_owner(owner: Connection, statement: str) -> None:
    with pytest.raises(InsufficientPrivilege, match=r"the log is append-only: [A-Z]+ on [a-z_]+ is refused"):
        await owner.execute(statement)


SHRINKING = [
    "UPDATE heads SET size = size - 1, frontier = ''",
    "UPDATE heads SET frontier = sha256('')",
    "UPDATE tiles SET hashes = sha256('')",
    "UPDATE tiles SET hashes = substring(hashes || sha256('') FROM 33)",
]


@pytest.mark.parametrize("statement", SHRINKING)
async def test_a_tree_only_grows_for_the_application_and_for_the_owner(
    application: Connection, owner: Connection, tenant: str, statement: str
) -> None:
    for connection in (application, owner):
        with pytest.raises(InsufficientPrivilege, match=r"the log is append-only: UPDATE on (heads|tiles) is refused"):
            await connection.execute(f"{statement} WHERE tenant = %s", [tenant])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tiles SET tenant = 'other'",
        "UPDATE tiles SET index = index + 1",
        "UPDATE checkpoints SET size = size + 1",
        "UPDATE entries SET salt = NULL, body = NULL",
        "UPDATE heads SET tenant = 'other'",
        "UPDATE dead_letters SET batch_id = 'x'",
        "UPDATE api_keys SET role = 'admin'",
        "UPDATE api_keys SET secret_hash = sha256('')",
        "DELETE FROM api_keys",
        "UPDATE schema_version SET version_num = '9999'",
        "CREATE TABLE public.mine (n integer)",
        "CREATE FUNCTION public.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE entries DISABLE TRIGGER append_only",
        "ALTER TABLE entries ADD COLUMN mine text",
        "DROP TABLE entries",
        "CREATE ROLE mine",
        "SET session_replication_role = replica",
        "COPY entries TO PROGRAM 'true'",
    ],
)
async def test_the_application_cannot_get_around_that(application: Connection, statement: str) -> None:
    with pytest.raises(InsufficientPrivilege):
        await application.execute(statement)


async def test_the_application_reads_and_appends(application: Connection, store: Store, tenant: str) -> None:
    assert (await store.entries.append("rights again", [body(tenant)])).heads[0].size == 2
    found = await application.execute("SELECT count(*) FROM entries WHERE tenant = %s", [tenant])
    assert await found.fetchone() == (2,)
