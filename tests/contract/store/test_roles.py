"""What API, worker and command line may do in the database: each tries everything, and gets what its role lists."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from databases import Database, own_database
from examples import SIGNER, body
from trenova.dev.postgres import Postgres
from trenova.store import Store, roles, server_status
from trenova.store.pool import Pool
from trenova.store.roles import ROLES, Role

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
OF_COLUMNS, OF_TABLES = ("SELECT", "INSERT", "UPDATE", "REFERENCES"), ("DELETE", "TRUNCATE", "TRIGGER")
NAMES = {roles.API: "api", roles.WORKER: "worker", roles.OPERATOR: "operator"}


@dataclass(frozen=True, slots=True)
class Site:
    """A database for one test with rows to tamper with, and its logins."""

    database: Database
    owner: Connection

    @asynccontextmanager
    async def login(self, role: str) -> AsyncIterator[Connection]:
        urls = {
            roles.API: self.database.api_url,
            roles.WORKER: self.database.worker_url,
            roles.OPERATOR: self.database.operator_url,
        }
        async with await psycopg.AsyncConnection.connect(urls[role], autocommit=True) as connection:
            yield connection

    async def columns(self) -> dict[str, list[str]]:
        """Of each table."""
        found = await self.owner.execute(
            "SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum)"
            " FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
            " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') GROUP BY 1 ORDER BY 1"
        )
        return dict(await found.fetchall())


@pytest.fixture(scope="module")
async def site(postgres: Postgres) -> AsyncIterator[Site]:
    async with (
        own_database(postgres) as database,
        await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as owner,
        Store.open(database.worker_url, signer=SIGNER) as worker,
        Store.open(database.operator_url) as operator,
    ):
        made = await operator.api_keys.create(tenant="acme", role="writer", name="x", by="ada")
        await operator.api_keys.create(tenant="acme", role="admin", name="y", by="ada")
        await operator.api_keys.revoke(made.id, by="ada")
        await worker.entries.append("one", [body("acme"), b"no entry"])
        await worker.records.append_pending()
        yield Site(database, owner)


def statements(table: str, columns: list[str]) -> Iterator[tuple[str, str | None, sql.Composed]]:
    """Kind of right, column and statement, for all that can be tried with a table. None of them changes a row."""
    name = sql.Identifier(table)
    for column in columns:
        field = sql.Identifier(column)
        yield "SELECT", column, sql.SQL("SELECT {} FROM {} LIMIT 1").format(field, name)
        yield "INSERT", column, sql.SQL("INSERT INTO {} ({}) SELECT NULL WHERE false").format(name, field)
        yield "UPDATE", column, sql.SQL("UPDATE {} SET {} = NULL WHERE false").format(name, field)
    yield "DELETE", None, sql.SQL("DELETE FROM {} WHERE false").format(name)
    yield "TRUNCATE", None, sql.SQL("TRUNCATE {}").format(name)
    yield "LOCK", None, sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(name)
    yield (
        "TRIGGER",
        None,
        sql.SQL(
            "CREATE TRIGGER mine BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"
        ).format(name),
    )
    for change in (
        "ADD COLUMN mine text",
        "DISABLE TRIGGER ALL",
        "DISABLE ROW LEVEL SECURITY",
        "OWNER TO CURRENT_USER",
    ):
        yield "OWN", None, sql.SQL("ALTER TABLE {} {}").format(name, sql.SQL(change))
    yield "OWN", None, sql.SQL("DROP TABLE {}").format(name)
    yield "OWN", None, sql.SQL("CREATE INDEX ON {} ({})").format(name, sql.Identifier(columns[0]))
    yield "OWN", None, sql.SQL("CREATE POLICY mine ON {}").format(name)


def may(role: Role, table: str, kind: str, column: str | None) -> bool:
    rights = role.tables.get(table, {})
    columns = rights.get(kind, frozenset())
    return columns is None or (column is not None and column in columns)


@pytest.mark.parametrize("role", ROLES, ids=NAMES.get)
async def test_a_login_can_do_with_each_table_and_column_what_its_role_lists_and_nothing_else(
    site: Site, role: str
) -> None:
    tried, wrong = 0, []
    async with site.login(role) as connection:
        for table, columns in (await site.columns()).items():
            for kind, column, statement in statements(table, columns):
                tried += 1
                refused = await is_refused(connection, statement)
                if refused == may(ROLES[role], table, kind, column):
                    wrong.append((kind, table, column))
    assert wrong == []
    assert tried > 400


async def is_refused(connection: Connection, statement: sql.Composed) -> bool:
    try:
        async with connection.transaction(force_rollback=True):
            await connection.execute(statement)
    except (InsufficientPrivilege, psycopg.errors.GeneratedAlways):
        return True
    return False


@pytest.mark.parametrize("role", ROLES, ids=NAMES.get)
async def test_a_login_can_call_the_functions_that_its_role_lists_and_no_other_of_ours(site: Site, role: str) -> None:
    found = await site.owner.execute(
        "SELECT p.oid::regprocedure::text, has_function_privilege(%s, p.oid, 'EXECUTE') FROM pg_proc AS p"
        " WHERE p.pronamespace = 'public'::regnamespace",
        [role],
    )
    functions: dict[str, bool] = dict(await found.fetchall())
    assert {name for name, allowed in functions.items() if allowed} == ROLES[role].functions
    assert functions.keys() > ROLES[role].functions


async def test_every_function_of_ours_sets_its_search_path(site: Site) -> None:
    found = await site.owner.execute(
        "SELECT p.oid::regprocedure::text, p.proconfig FROM pg_proc AS p WHERE p.pronamespace = 'public'::regnamespace"
    )
    pinned = "search_path=pg_catalog, public, pg_temp"
    assert [name for name, settings in await found.fetchall() if pinned not in (settings or ())] == []


async def test_no_function_of_ours_is_public(site: Site) -> None:
    """Neither for a login without a role, nor for functions that a later migration makes."""
    await site.owner.execute("CREATE FUNCTION made_later() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
    found = await site.owner.execute(
        "SELECT c.relname::text FROM pg_class AS c, aclexplode(c.relacl) AS a"
        " WHERE c.relnamespace = 'public'::regnamespace AND a.grantee = 0"
        " UNION ALL SELECT p.proname::text FROM pg_proc AS p,"
        " aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a"
        " WHERE p.pronamespace = 'public'::regnamespace AND a.grantee = 0"
        " UNION ALL SELECT 'schema ' || a.privilege_type FROM pg_namespace AS n, aclexplode(n.nspacl) AS a"
        " WHERE n.nspname = 'public' AND a.grantee = 0"
        " UNION ALL SELECT 'database ' || a.privilege_type FROM pg_database AS d, aclexplode(d.datacl) AS a"
        " WHERE d.datname = current_database() AND a.grantee = 0 ORDER BY 1"
    )
    await site.owner.execute("DROP FUNCTION made_later()")
    assert [name for (name,) in await found.fetchall()] == ["database CONNECT", "schema USAGE"]


FORGING = [
    # API keys
    "INSERT INTO api_keys (id, secret_hash, name, role) VALUES ('forged', sha256('x'), 'x', 'admin')",
    "UPDATE api_keys SET revoked_at = NULL",
    "UPDATE api_keys SET role = 'admin', tenant = NULL",
    "UPDATE api_keys SET secret_hash = sha256('x')",
    "SELECT secret_hash FROM api_keys",
    "SELECT * FROM api_keys",
    "COPY api_keys TO STDOUT",
    # Parked letters
    "UPDATE dead_letters SET body = 'forged'",
    "UPDATE dead_letters SET sent = NULL, edited_by = NULL",
    "UPDATE dead_letters SET batch_id = 'x', ordinal = 9",
    "UPDATE dead_letters SET stored_at = now() WHERE stored_at IS NULL",
    # Checkpoints and cosignatures
    "UPDATE checkpoints SET note = 'forged'",
    "UPDATE checkpoints SET signed_at = now()",
    "INSERT INTO checkpoints (tenant, size, note, signed_at) VALUES ('acme', 99, 'x', now())",
    "UPDATE cosignatures SET line = 'x'",
    # The log
    "UPDATE heads SET size = 0, frontier = ''",
    "UPDATE heads SET tenant = 'x'",
    "INSERT INTO heads (tenant, size) VALUES ('x', 9)",
    "UPDATE tiles SET hashes = sha256('x')",
    "UPDATE tiles SET level = 7",
    "UPDATE entries SET body = 'x'",
    "INSERT INTO batches (xid, tenant, batch_id, first_index, stored, duplicate) VALUES ('1', 'x', 'x', 0, 0, 0)",
    "INSERT INTO batches (tenant, batch_id, first_index, stored, duplicate, stored_at) SELECT 'x', 'x', 0, 0, 0, now()",
    "UPDATE batches SET stored = 0",
    # Retention, and records of changes
    "INSERT INTO retention_policies (tenant, days, set_by) VALUES ('acme', 1, 'x')",
    "UPDATE legal_holds SET released_at = now(), released_by = 'x', release_reason = 'x'",
    "INSERT INTO removals (tenant, indexes, entries, bytes, days, cut_off) VALUES ('x', '{[1,2)}', 1, 1, 1, now())",
    "INSERT INTO system_records SELECT '_trenova', gen_random_uuid(), 'api_key.create', 'user', 'x', 'api_key', 'x'",
    "UPDATE system_records SET metadata = '{}'",
    "UPDATE system_records SET appended_at = NULL",
    "UPDATE schema_version SET version_num = '0001'",
    # Around it
    "SET session_replication_role = replica",
    "SELECT set_config('session_replication_role', 'replica', false)",
    "SET ROLE trenova_owner",
    "GRANT trenova_operator TO CURRENT_USER",
    "ALTER ROLE trenova_owner PASSWORD 'x'",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "CREATE ROLE mine",
    "CREATE DATABASE mine",
    "CREATE SCHEMA mine",
    "CREATE TABLE public.mine (n integer)",
    "CREATE VIEW public.mine AS SELECT 1",
    "CREATE FUNCTION public.sha256(text) RETURNS bytea LANGUAGE sql AS 'SELECT NULL::bytea'",
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "ALTER FUNCTION create_api_key(text, bytea, text, text, text, text) RESET search_path",
    "DROP FUNCTION guard_letter() CASCADE",
    "CREATE EXTENSION dblink",
    "CREATE PUBLICATION mine FOR ALL TABLES",
    "ALTER SYSTEM SET fsync = off",
    "ALTER DATABASE postgres SET search_path = mine",
    "COPY schema_version TO PROGRAM 'true'",
    "COPY schema_version TO '/tmp/mine'",
    "COPY heads FROM '/etc/passwd'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('/')",
    "SELECT lo_create(0)",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT pg_reload_conf()",
    "CHECKPOINT",
]


@pytest.mark.parametrize("role", ROLES, ids=NAMES.get)
async def test_no_login_can_forge_anything_or_get_around_its_rights(site: Site, role: str) -> None:
    async with site.login(role) as connection:
        assert await find_allowed(connection, FORGING) == []


async def find_allowed(connection: Connection, statements: Sequence[str]) -> list[str]:
    """The statements that are not rejected, at the latest when their transaction commits."""
    found = []
    for statement in statements:
        try:
            await connection.execute(statement.encode())
        except InsufficientPrivilege:
            continue
        found.append(statement)
    return found


@pytest.mark.parametrize("role", [roles.API, roles.OPERATOR], ids=NAMES.get)
async def test_only_a_worker_makes_temporary_tables(site: Site, role: str) -> None:
    async with site.login(role) as connection:
        with pytest.raises(InsufficientPrivilege):
            await connection.execute("CREATE TEMPORARY TABLE mine (n integer)")


OF_THE_OWNER = [
    "DELETE FROM api_keys",
    "TRUNCATE api_keys",
    "UPDATE api_keys SET revoked_at = NULL WHERE revoked_at IS NOT NULL",
    "UPDATE api_keys SET role = 'reader'",
    "UPDATE api_keys SET name = 'z', revoked_at = now() WHERE revoked_at IS NULL",
    "UPDATE api_keys SET revoked_at = now() WHERE revoked_at IS NULL",
    "INSERT INTO api_keys (id, secret_hash, name, role) VALUES ('forged', sha256('x'), 'x', 'admin')",
    "UPDATE dead_letters SET body = 'forged', sent = body, edited_by = 'x'",
    "UPDATE dead_letters SET stored_at = now()",
    "UPDATE checkpoints SET note = convert_to(E'localhost/x\n1\nAAAA\n\n', 'UTF8')",
    "UPDATE checkpoints SET note = 'x'",
    "UPDATE checkpoints SET size = size + 1",
    "DELETE FROM system_records",
    "TRUNCATE system_records",
    "UPDATE system_records SET target_id = 'x'",
    "UPDATE system_records SET appended_at = NULL",
    "INSERT INTO system_records SELECT 'acme', gen_random_uuid(), '', '', '', '', '', '', '{}', now(), now()",
]


async def test_triggers_stop_even_the_owner(site: Site) -> None:
    assert await find_allowed(site.owner, OF_THE_OWNER) == []


async def test_tables_and_functions_of_a_worker_in_place_of_ours_are_not_used(site: Site) -> None:
    async with site.login(roles.WORKER) as connection:
        await connection.execute("CREATE TEMPORARY TABLE entries (LIKE public.entries)")
        await connection.execute("CREATE TEMPORARY TABLE system_records (LIKE public.system_records)")
        await connection.execute("INSERT INTO pg_temp.entries SELECT * FROM public.entries")
        await connection.execute("UPDATE pg_temp.entries SET id = gen_random_uuid(), tenant = 'acme'")
        await connection.execute("SET search_path = pg_temp, public")
        forged = await connection.execute("SELECT id FROM pg_temp.entries LIMIT 1")
        with pytest.raises(InsufficientPrivilege, match="without its entry"):
            await connection.execute(
                "UPDATE public.dead_letters SET tenant = 'acme', entry_id = %s, stored_at = now()",
                await forged.fetchone(),
            )


async def test_each_login_has_exactly_the_rights_of_its_role(site: Site) -> None:
    for role, name in NAMES.items():
        async with Pool.open(getattr(site.database, f"{name}_url"), size=1) as pool:
            assert await server_status.read_rights(pool) == server_status.Rights(roles=(role,), missing=(), spare=())


async def test_missing_and_spare_rights_are_named(site: Site) -> None:
    changes = [
        ("GRANT {} TO trenova_api", "REVOKE {} FROM trenova_api", "UPDATE (body, sent) ON dead_letters"),
        ("GRANT {} TO trenova_api", "REVOKE {} FROM trenova_api", "DELETE ON entries"),
        ("GRANT {} TO trenova_api", "REVOKE {} FROM trenova_api", "EXECUTE ON FUNCTION revoke_api_key(text, text)"),
        ("REVOKE {} FROM trenova_api", "GRANT {} TO trenova_api", "SELECT ON tiles"),
        ("REVOKE {} FROM trenova_api", "GRANT {} TO trenova_api", "EXECUTE ON FUNCTION make_letters_due(text, uuid)"),
    ]
    for change, _, right in changes:
        await site.owner.execute(change.format(right).encode())
    try:
        async with Pool.open(site.database.api_url, size=1) as pool:
            found = await server_status.read_rights(pool)
    finally:
        for _, back, right in changes:
            await site.owner.execute(back.format(right).encode())
    assert found.missing == ("EXECUTE on make_letters_due(text,uuid)", "SELECT on tiles")
    assert found.spare == (
        "EXECUTE on revoke_api_key(text,text)",
        "UPDATE (body, sent) on dead_letters",
        "DELETE on entries",
    )
