"""Whatever a superuser changes of what the migrations made is named. Each test has its own database."""

import asyncio
import re
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from typing import Any

import psycopg
import pytest

from databases import Database, own_database
from examples import SIGNER
from trenova.dev.postgres import Postgres
from trenova.errors import SchemaMismatch
from trenova.store import migrate
from trenova.store.catalog import manifest
from trenova.store.catalog.comparison import differences
from trenova.store.catalog.description import describe
from trenova.store.verification import Verifier

Owner = psycopg.AsyncConnection[tuple[Any, ...]]

FUNCTION = "CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$; "
DROPS = "BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION mine()"


@pytest.fixture(scope="module")
async def fresh_database(postgres: Postgres) -> AsyncIterator[Database]:
    async with own_database(postgres) as database:
        yield database


@pytest.fixture
async def superuser(fresh_database: Database) -> AsyncIterator[Owner]:
    """A superuser whose changes are rolled back after the test."""
    async with await psycopg.AsyncConnection.connect(fresh_database.owner_url) as connection:
        yield connection
        await connection.rollback()


async def find_differences(connection: Owner) -> list[str]:
    expected = manifest.read_manifest()
    places = differences(expected, await describe(connection.cursor(), manifest.names_in(expected)))
    assert all(place.next_step for place in places)
    return [str(place).removeprefix("database: ") for place in places]


async def test_the_manifest_is_that_of_a_fresh_database(superuser: Owner) -> None:
    described = await describe(superuser.cursor(), None)
    assert manifest.text(described) == manifest.text(manifest.read_manifest()), "run `make manifest`"


async def test_a_fresh_database_has_no_differences_for_any_login(fresh_database: Database, workers: Executor) -> None:
    for url in (fresh_database.owner_url, fresh_database.worker_url):
        assert await Verifier(url=url, keys=SIGNER.keys, workers=workers).database() == []


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        (f"{FUNCTION}CREATE TRIGGER mine {DROPS}", "trigger mine on entries: expected none: no migration made it"),
        (
            f"{FUNCTION}CREATE TRIGGER mine {DROPS}; UPDATE pg_trigger SET tgisinternal = true WHERE tgname = 'mine'",
            "trigger mine on entries: expected none",
        ),
        ("ALTER TABLE entries DISABLE TRIGGER only_removed", "trigger only_removed on entries: .* got enabled no"),
        ("ALTER TABLE heads ENABLE REPLICA TRIGGER only_grows", "trigger only_grows on heads: .* on replicas only"),
        (
            "DROP TRIGGER append_only ON tiles",
            "trigger append_only on tiles: expected it as the migrations .* got none",
        ),
        (
            "CREATE OR REPLACE TRIGGER append_only BEFORE TRUNCATE ON tiles EXECUTE FUNCTION refuse_change()",
            "trigger append_only on tiles: expected definition .* got definition",
        ),
        (
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$",
            r"function refuse_change\(\): expected body",
        ),
        ("ALTER FUNCTION go_back() RESET search_path", r"function go_back\(\): expected settings .* got settings none"),
        ("ALTER FUNCTION retention_days(text) VOLATILE", r"function retention_days\(text\): expected volatility s"),
        ("ALTER FUNCTION remove_entries(text, bigint) SECURITY INVOKER", r"function remove_entries.* definer no"),
        (
            "CREATE FUNCTION remove_entries(text, integer) RETURNS void LANGUAGE sql AS ''",
            r"function remove_entries\(text, integer\): expected none",
        ),
        (
            "CREATE FUNCTION octet_length(smallint) RETURNS integer LANGUAGE sql RETURN 1",
            r"function octet_length\(smallint\): expected none",
        ),
        ("ALTER TABLE entries DROP CONSTRAINT salt_length", "constraint salt_length on entries: expected it"),
        (
            "ALTER TABLE entries DROP CONSTRAINT salt_length;"
            " ALTER TABLE entries ADD CONSTRAINT salt_length CHECK (octet_length(salt) = 16) NOT VALID",
            "constraint salt_length on entries: .* NOT VALID",
        ),
        ("ALTER TABLE entries ADD CHECK (action <> 'x')", "constraint entries_action_check on entries: expected none"),
        (
            "ALTER TABLE entries ALTER COLUMN commitment DROP NOT NULL",
            "column entries.commitment: expected not null yes",
        ),
        ("ALTER TABLE heads ALTER COLUMN size SET DEFAULT 7", "column heads.size: expected default 0, got default 7"),
        (
            "ALTER TABLE retention_policies ALTER COLUMN set_by TYPE varchar(9)",
            "column retention_policies.set_by: .*type text",
        ),
        ('ALTER TABLE batches ALTER COLUMN batch_id TYPE text COLLATE "POSIX"', "column batches.batch_id: .* POSIX"),
        ("ALTER TABLE tiles ALTER COLUMN hashes SET STORAGE MAIN", "column tiles.hashes: expected storage e"),
        ("ALTER TABLE entries ADD COLUMN spare text", "column entries.spare: expected none"),
        (
            "ALTER TABLE entries ENABLE ROW LEVEL SECURITY",
            "table entries: expected row security no, got row security yes",
        ),
        ("ALTER TABLE heads FORCE ROW LEVEL SECURITY", "table heads: expected forced row security no"),
        ("CREATE POLICY hides ON entries USING (index <> 7)", "policy hides on entries: expected none"),
        ("CREATE RULE r AS ON INSERT TO batches DO INSTEAD NOTHING", "rule r on batches: expected none"),
        ("ALTER TABLE removals SET UNLOGGED", "table removals: expected persistence logged, got persistence unlogged"),
        ("ALTER TABLE tiles OWNER TO trenova_app", "table tiles: .* got owner trenova_app"),
        ("CREATE TABLE more () INHERITS (entries)", "inheritance of more from entries: expected none"),
        ("DROP INDEX entries_by_time", "index entries_by_time on entries: expected it"),
        (
            "DROP INDEX entries_by_time;"
            " CREATE INDEX entries_by_time ON entries (tenant, occurred_at, id) WHERE outcome = 'success'",
            "index entries_by_time on entries: expected definition",
        ),
        (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'entries_by_actor'::regclass",
            "index entries_by_actor on entries: expected valid yes, got valid no",
        ),
        (
            "UPDATE pg_index SET indisready = false WHERE indexrelid = 'entries_by_actor'::regclass",
            "index entries_by_actor on entries: expected ready yes, got ready no",
        ),
        ("CREATE UNIQUE INDEX one ON entries (action)", "index one on entries: expected none"),
        (
            "CREATE FUNCTION f(text) RETURNS text IMMUTABLE LANGUAGE sql RETURN $1; CREATE INDEX i ON entries (f(action))",
            "index i on entries: expected none",
        ),
        ("GRANT UPDATE ON entries TO trenova_app", "grant of UPDATE on table entries to trenova_app: expected none"),
        ("GRANT UPDATE (body) ON entries TO trenova_app", "grant of UPDATE on column entries.body to trenova_app"),
        ("GRANT SELECT ON entries TO PUBLIC", "grant of SELECT on table entries to PUBLIC: expected none"),
        (
            "REVOKE INSERT ON entries FROM trenova_worker",
            "grant of INSERT on table entries to trenova_worker: expected it",
        ),
        (
            "GRANT INSERT ON entries TO trenova_worker WITH GRANT OPTION",
            "grant of INSERT on table entries to trenova_worker: expected with grant option no",
        ),
        ("GRANT EXECUTE ON FUNCTION remove_entries TO PUBLIC", "grant of EXECUTE on function remove_entries.* PUBLIC"),
        ("GRANT CREATE ON SCHEMA public TO trenova_app", "grant of CREATE on the schema to trenova_app"),
        (
            "ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO trenova_app",
            "grant of INSERT on the owner's future objects of kind r to trenova_app",
        ),
        ("ALTER ROLE trenova_app BYPASSRLS", "role trenova_app: expected bypasses row security no"),
        ("GRANT pg_write_all_data TO trenova_app", "role trenova_app: .* got member of pg_write_all_data"),
        (
            "ALTER ROLE trenova_dev_worker SET session_replication_role = replica",
            "setting session_replication_role of trenova_dev_worker: .*",
        ),
        ("SET session_replication_role = replica", "setting session_replication_role: .* got value replica"),
        (
            "CREATE SCHEMA other; CREATE VIEW other.entries AS TABLE entries; SET search_path = other, public",
            "other.entries in the search path of this session: expected none",
        ),
        (
            "CREATE SCHEMA other; CREATE TABLE other.heads (); ALTER ROLE trenova_dev_worker SET search_path = other, public",
            "other.heads in the search path of trenova_dev_worker: expected none",
        ),
        (
            "ALTER ROLE trenova_dev_worker SET search_path = public, pg_catalog",
            "public before pg_catalog in the search path of trenova_dev_worker: expected none",
        ),
        (
            "CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
            " CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION e()",
            "event trigger e: expected none",
        ),
        (
            "CREATE FUNCTION same(text, text) RETURNS boolean LANGUAGE sql RETURN true;"
            " CREATE OPERATOR = (FUNCTION = same, LEFTARG = text, RIGHTARG = text)",
            r"operator public.=\(text,text\): expected none",
        ),
        (
            "CREATE FUNCTION b(text) RETURNS bytea LANGUAGE sql RETURN ''::bytea;"
            " CREATE CAST (text AS bytea) WITH FUNCTION b(text) AS IMPLICIT",
            "cast from text to bytea: expected none",
        ),
        ("DROP TABLE cosignatures", "table cosignatures: expected it as the migrations made it, got none"),
        (
            "DROP TABLE cosignatures; CREATE VIEW cosignatures AS SELECT 1 AS size",
            "table cosignatures: expected .*kind table.* got .*kind view",
        ),
    ],
)
async def test_each_difference_is_named(superuser: Owner, statement: str, place: str) -> None:
    await superuser.execute("SET allow_system_table_mods = on")
    await superuser.execute(statement.encode())
    places = await find_differences(superuser)
    assert [each for each in places if re.match(place, each)], places


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX mine ON entries (tenant, received_at)",
        "CREATE TABLE reports (entry uuid); CREATE VIEW latest AS SELECT * FROM entries",
        "CREATE ROLE trenova_test_reader; GRANT SELECT ON ALL TABLES IN SCHEMA public TO trenova_test_reader",
        "CREATE FUNCTION report(text) RETURNS text LANGUAGE sql RETURN $1",
        "ALTER TABLE entries SET (autovacuum_vacuum_scale_factor = 0.1)",
        "CREATE PUBLICATION warehouse FOR TABLE entries",
        "CREATE EXTENSION amcheck",
        "ALTER ROLE trenova_dev_worker SET search_path = '$user', public",
        "CREATE SCHEMA other; CREATE TABLE other.entries ()",
    ],
)
async def test_what_an_operator_may_add_is_not_a_difference(superuser: Owner, statement: str) -> None:
    await superuser.execute(statement.encode())
    assert await find_differences(superuser) == []


async def test_a_schema_of_another_name_has_no_differences(postgres: Postgres) -> None:
    async with own_database(postgres) as database:
        async with await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as connection:
            await connection.execute('DROP SCHEMA public CASCADE; CREATE SCHEMA "Our log"')
        url = f"{database.owner_url}?options=-csearch_path%3D%22Our%5C%20log%22"
        await asyncio.to_thread(migrate.upgrade, url)
        async with await psycopg.AsyncConnection.connect(url) as connection:
            assert await find_differences(connection) == []


async def test_a_database_without_our_schema_says_so(postgres: Postgres) -> None:
    async with await postgres.connect("postgres") as connection:
        with pytest.raises(SchemaMismatch, match="no Trenova schema yet"):
            await describe(connection.cursor(), None)
