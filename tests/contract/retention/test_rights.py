"""What the database denies to the application's role, and to the owner of the tables."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from contract.retention.conftest import CONTENT, DAYS, Owner, old_bodies, rows, run, store_bodies
from trenova.dev.postgres import Postgres
from trenova.store import Store
from trenova.store.retention.holds import Matching

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
ALL_OF_IT = ", ".join(f"{column} = NULL" for column in CONTENT.split(", "))


@pytest.fixture
async def attacker(postgres: Postgres) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(postgres.worker_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(autouse=True)
async def log(store: Store, keeper: Store, tenant: str) -> None:
    """One entry that is removed, one that a hold keeps, and one that is too young; all protected."""
    await store_bodies(
        store, *old_bodies(tenant, 90), *old_bodies(tenant, 90, action="billing.refund"), *old_bodies(tenant, 1)
    )
    await keeper.policies.set(tenant, DAYS, by="ada")
    await keeper.holds.place(Matching(tenant=tenant, action="billing.*"), name="Case 17", reason="Order", by="ada")
    await run(store, tenant)


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE entries SET {ALL_OF_IT}",
        "UPDATE retention_policies SET days = 1",
        "INSERT INTO retention_policies (tenant, days, set_by) VALUES ('x', 1, 'x')",
        "DELETE FROM retention_policies",
        "TRUNCATE retention_policies",
        "INSERT INTO legal_holds (tenant, name, reason, placed_by) VALUES ('*', 'x', 'x', 'x')",
        "UPDATE legal_holds SET released_at = now(), released_by = 'x', release_reason = 'x'",
        "DELETE FROM legal_holds",
        "TRUNCATE legal_holds",
        "INSERT INTO retention_positions (tenant, index) VALUES ('x', 1)",
        "UPDATE retention_positions SET index = 0",
        "DELETE FROM retention_positions",
        "INSERT INTO removals (tenant, indexes, entries, bytes, days, cut_off) VALUES ('x', '{[1,2)}', 1, 1, 1, now())",
        "UPDATE removals SET entries = 1",
        "DELETE FROM removals",
        "TRUNCATE removals",
        "ALTER FUNCTION remove_entries(text, bigint) RESET search_path",
        "CREATE OR REPLACE FUNCTION retention_days(of_tenant text) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    ],
)
async def test_the_application_cannot_widen_what_is_removed(attacker: Connection, statement: str) -> None:
    with pytest.raises(InsufficientPrivilege):
        await attacker.execute(statement)


async def test_a_removal_that_no_entry_reports_is_rejected_at_the_commit(
    attacker: Connection, store: Store, owner: Owner, tenant: str
) -> None:
    await store_bodies(store, *old_bodies(tenant, 90))
    before = await rows(owner, tenant)
    with pytest.raises(InsufficientPrivilege, match="without the entry"):
        await attacker.execute("SELECT remove_entries(%s, 0)", [tenant])
    assert await rows(owner, tenant) == before


async def test_tables_of_the_attacker_in_place_of_ours_are_not_used(
    attacker: Connection, owner: Owner, tenant: str
) -> None:
    await attacker.execute("CREATE TEMPORARY TABLE retention_policies (tenant text, days integer)")
    await attacker.execute("INSERT INTO retention_policies VALUES (%s, 0), ('*', 0)", [tenant])
    await attacker.execute("CREATE TEMPORARY TABLE legal_holds (LIKE public.legal_holds)")
    await attacker.execute("CREATE TEMPORARY TABLE removals (LIKE public.removals)")
    await attacker.execute("SET search_path = pg_temp, public")
    found = await attacker.execute("SELECT entry_id, more FROM remove_entries(%s, 0)", [tenant])
    assert await found.fetchone() == (None, False)
    assert (await rows(owner, tenant)).removed == [0]


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
async def test_an_old_snapshot_that_does_not_contain_a_hold_is_rejected(
    attacker: Connection, tenant: str, level: str
) -> None:
    await attacker.execute(f"BEGIN ISOLATION LEVEL {level}")
    with pytest.raises(InsufficientPrivilege, match="not read committed"):
        await attacker.execute("SELECT remove_entries(%s, 0)", [tenant])


@pytest.mark.parametrize("start", [-1, 0, 1, 10**12])
async def test_no_start_index_removes_more_or_hides_anything(
    attacker: Connection, store: Store, owner: Owner, tenant: str, start: int
) -> None:
    await store_bodies(store, *old_bodies(tenant, 90))
    await attacker.execute("BEGIN")
    await attacker.execute("SELECT remove_entries(%s, %s)", [tenant, start])
    await attacker.execute("ROLLBACK")
    await run(store, tenant)
    assert (await rows(owner, tenant)).removed == [0, 6]


@pytest.mark.parametrize(
    "change",
    [
        f"{ALL_OF_IT}, index = index + 1000",
        f"{ALL_OF_IT}, id = gen_random_uuid()",
        f"{ALL_OF_IT}, received_at = now()",
        f"{ALL_OF_IT}, commitment = sha256('')",
        f"{ALL_OF_IT}, tenant = 'other'",
        ALL_OF_IT.replace("outcome = NULL", "outcome = 'denied'"),
        "body = NULL",
        "salt = NULL, body = NULL",
        "actor_id = 'x'",
    ],
)
async def test_a_trigger_lets_the_owner_only_remove_content(owner: Owner, tenant: str, change: str) -> None:
    with pytest.raises(InsufficientPrivilege, match="the log is append-only: UPDATE on entries is refused"):
        await owner.execute(f"UPDATE entries SET {change} WHERE tenant = %s AND index = 1", [tenant])


@pytest.mark.parametrize("change", ["body = 'x'", ALL_OF_IT, "actor_id = 'x'"])
async def test_removed_content_cannot_be_put_back(owner: Owner, tenant: str, change: str) -> None:
    with pytest.raises(InsufficientPrivilege, match="the log is append-only: UPDATE on entries is refused"):
        await owner.execute(f"UPDATE entries SET {change} WHERE tenant = %s AND index = 0", [tenant])


async def test_a_row_that_has_lost_a_part_of_its_content_is_rejected_even_without_triggers(
    owner: Owner, tenant: str
) -> None:
    async with owner.transaction(force_rollback=True):
        await owner.execute("SET LOCAL session_replication_role = replica")
        with pytest.raises(psycopg.errors.CheckViolation, match="content_goes_together"):
            await owner.execute("UPDATE entries SET salt = NULL, body = NULL WHERE tenant = %s", [tenant])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE legal_holds SET reason = 'another'",
        "UPDATE legal_holds SET reason = 'x', released_at = now(), released_by = 'x', release_reason = 'x'",
        "DELETE FROM legal_holds",
        "TRUNCATE legal_holds",
        "UPDATE removals SET entries = 1",
        "DELETE FROM removals",
        "TRUNCATE removals",
    ],
)
async def test_even_the_owner_cannot_change_decisions_and_removals(owner: Owner, statement: str) -> None:
    with pytest.raises(InsufficientPrivilege, match="the log is append-only"):
        await owner.execute(statement)


async def test_a_released_hold_stays_released(owner: Owner, keeper: Store, tenant: str) -> None:
    id_ = await keeper.holds.place(Matching(tenant=tenant), name="x", reason="x", by="x")
    await keeper.holds.release(id_, reason="x", by="x")
    with pytest.raises(InsufficientPrivilege, match="the log is append-only: UPDATE on legal_holds"):
        await owner.execute(
            "UPDATE legal_holds SET released_at = NULL, released_by = NULL, release_reason = NULL WHERE id = %s", [id_]
        )


async def test_the_stored_removal_names_its_entry(owner: Owner, tenant: str) -> None:
    found = await owner.execute(
        "SELECT r.indexes::text, r.entries, r.days, r.entry_id FROM removals AS r WHERE tenant = %s", [tenant]
    )
    indexes, entries, days, entry_id = (await found.fetchall())[0]
    assert (indexes, entries, days) == ("{[0,1)}", 1, DAYS)
    assert [report["id"] for report in (await rows(owner, tenant)).reports][-1] == str(uuid.UUID(str(entry_id)))


async def test_no_index_keeps_what_was_removed_or_makes_a_search_walk_through_it(owner: Owner) -> None:
    partial = ["(body IS NOT NULL)", "(outcome <> 'success'::text)"]
    found = await owner.execute(
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'entries'::regclass"
        " AND coalesce(pg_get_expr(indpred, indrelid), '') <> ALL (%s) ORDER BY 1",
        [partial],
    )
    assert await found.fetchall() == [("entries_by_index",), ("entries_pkey",)]
