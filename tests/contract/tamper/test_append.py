"""A trigger that changes what is written is noticed by the transaction that writes, and nothing is stored."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import sql

from contract.retention.conftest import old_bodies
from contract.store.ledger_check import check_ledger
from examples import SIGNER, bodies
from trenova.dev.postgres import Postgres
from trenova.errors import LedgerDamaged
from trenova.store import Store

Owner = psycopg.AsyncConnection[tuple[Any, ...]]
TABLES = ("entries", "tiles", "checkpoints", "batches")
# Of a batch that comes after 300 entries: the third row, the last one, one of the others.
THIRD, LAST = "NEW.index = 302", "NEW.index = 309"


@asynccontextmanager
async def trigger(owner: Owner, table: str, event: str, condition: str, statements: str) -> AsyncIterator[None]:
    """A trigger of a superuser before each row of the table, while the block runs."""
    name = f"t{uuid.uuid4().hex}"
    body = f"BEGIN IF {condition} THEN {statements} END IF; RETURN NEW; END"
    create = sql.SQL("CREATE FUNCTION {} () RETURNS trigger LANGUAGE plpgsql AS {}")
    attach = sql.SQL("CREATE TRIGGER {} BEFORE {} ON {} FOR EACH ROW EXECUTE FUNCTION {} ()")
    function, on = sql.Identifier(name), sql.Identifier(table)
    await owner.execute(create.format(function, sql.Literal(body)))
    await owner.execute(attach.format(function, sql.SQL(event), on, function))
    try:
        yield
    finally:
        await owner.execute(sql.SQL("DROP FUNCTION {} CASCADE").format(function))


async def counts(owner: Owner, tenant: str) -> list[int]:
    found = []
    for table in TABLES:
        rows = await owner.execute(
            sql.SQL("SELECT count(*) FROM {} WHERE tenant = %s").format(sql.Identifier(table)), [tenant]
        )
        found += [count for (count,) in await rows.fetchall()]
    return found


@pytest.mark.parametrize(
    ("table", "condition", "statements", "said"),
    [
        pytest.param("entries", THIRD, "RETURN NULL;", "expected the indexes from 300 on", id="drops a row"),
        pytest.param("entries", LAST, "RETURN NULL;", "to be stored or a duplicate, got neither", id="drops the last"),
        pytest.param("entries", "NEW.index >= 300", "RETURN NULL;", "got neither", id="drops all rows"),
        pytest.param(
            "entries",
            "NEW.index IN (302, 303)",
            "NEW.index := 605 - NEW.index;",
            "expected row 303 to be one of the batch, unchanged and in its order",
            id="swaps two rows",
        ),
        pytest.param(
            "entries", LAST, "NEW.index := 400;", "expected the indexes from 300 on", id="gives another index"
        ),
        pytest.param(
            "entries", THIRD, "NEW.commitment := sha256('');", "expected row 302 to be", id="changes a commitment"
        ),
        pytest.param(
            "entries", THIRD, "NEW.salt := '0123456789abcdef';", "expected row 302 to be", id="changes a salt"
        ),
        pytest.param("entries", THIRD, "NEW.id := gen_random_uuid();", "expected row 302 to be", id="changes an id"),
        pytest.param(
            "entries",
            LAST,
            "NEW.tenant := 'nobody';",
            "the ledger nobody: expected the indexes",
            id="changes the tenant",
        ),
        pytest.param(
            "tiles",
            "octet_length(NEW.hashes) = 1728",
            "NEW.hashes := set_byte(NEW.hashes, 1727, get_byte(NEW.hashes, 1727) # 1);",
            "tile 1 of level 0 .* expected the hashes of this append at its end",
            id="changes a tile",
        ),
        pytest.param(
            "tiles", "NEW.level = 0", "RETURN NULL;", "expected 1728 bytes after this append", id="drops a tile"
        ),
        pytest.param(
            "heads",
            "NEW.size = 310",
            "NEW.frontier := set_byte(NEW.frontier, 0, get_byte(NEW.frontier, 0) # 1);",
            "size 310 with its tree",
            id="a tree",
        ),
        pytest.param("heads", "NEW.size = 310", "RETURN NULL;", "expected size 310 .* got none", id="keeps a head"),
        pytest.param(
            "checkpoints", "NEW.size = 310", "NEW.note := 'x';", "checkpoint 310 .* as it was signed", id="a checkpoint"
        ),
        pytest.param(
            "checkpoints", "NEW.size = 310", "RETURN NULL;", "expected no checkpoint", id="drops a checkpoint"
        ),
        pytest.param(
            "batches", "NEW.first_index = 300", "RETURN NULL;", "the note of a batch .* got none", id="a note"
        ),
        pytest.param(
            "batches", "NEW.first_index = 300", "NEW.stored := 9;", "expected 10 stored from 300 on", id="a count"
        ),
    ],
)
async def test_what_a_trigger_changes_is_noticed_and_nothing_is_stored(  # noqa: PLR0913, PLR0917 - the cases of a table
    store: Store, owner: Owner, tenant: str, table: str, condition: str, statements: str, said: str
) -> None:
    await store.entries.append(str(uuid.uuid4()), bodies(tenant, 300))
    sent, before = bodies(tenant, 10), await counts(owner, tenant)
    mine = f"NEW.tenant = '{tenant}' AND {condition}"
    async with trigger(owner, table, "INSERT OR UPDATE", mine, statements):
        with pytest.raises(LedgerDamaged, match=said) as failure:
            await store.entries.append(str(uuid.uuid4()), sent)
        assert "entries wait" in str(failure.value.hint)
    assert await counts(owner, tenant) == before
    assert (await store.entries.append(str(uuid.uuid4()), sent)).stored == 10
    assert await check_ledger(owner, tenant) == [300, 310]


async def test_a_row_that_is_dropped_among_duplicates_is_noticed(store: Store, owner: Owner, tenant: str) -> None:
    sent = bodies(tenant, 10)
    await store.entries.append(str(uuid.uuid4()), sent[:5])
    async with trigger(owner, "entries", "INSERT", f"NEW.tenant = '{tenant}' AND NEW.index = 9", "RETURN NULL;"):
        with pytest.raises(LedgerDamaged, match="to be stored or a duplicate, got neither"):
            await store.entries.append(str(uuid.uuid4()), [*reversed(sent), *sent])
    result = await store.entries.append(str(uuid.uuid4()), [*reversed(sent), *sent])
    assert (result.stored, result.duplicate) == (5, 15)
    assert await check_ledger(owner, tenant) == [5, 10]


async def test_a_head_that_is_never_written_is_noticed(store: Store, owner: Owner, tenant: str) -> None:
    async with trigger(owner, "heads", "INSERT", f"NEW.tenant = '{tenant}'", "RETURN NULL;"):
        with pytest.raises(LedgerDamaged, match=f"the head of the ledger {tenant}: expected a row"):
            await store.entries.append(str(uuid.uuid4()), bodies(tenant, 1))


async def test_a_table_of_the_same_name_as_the_temporary_one_is_not_written_to(
    postgres: Postgres, owner: Owner, tenant: str
) -> None:
    await owner.execute("CREATE TABLE public.incoming (LIKE entries)")
    try:
        url = f"{postgres.owner_url}?options=-csearch_path%3Dpublic,pg_temp"
        async with Store.open(url, signer=SIGNER) as store:
            assert (await store.entries.append(str(uuid.uuid4()), bodies(tenant, 2))).stored == 2
    finally:
        await owner.execute("DROP TABLE public.incoming")


@pytest.mark.parametrize(
    ("statements", "said"),
    [("RETURN NULL;", "got none"), ("NEW.body := '{}';", "got others")],
    ids=["drops", "changes"],
)
async def test_an_entry_that_is_parked_with_other_bytes_stops_its_batch(
    store: Store, owner: Owner, tenant: str, statements: LiteralString, said: str
) -> None:
    sent = [*bodies(tenant, 2), b"no entry"]
    async with trigger(owner, "dead_letters", "INSERT", "true", statements):
        with pytest.raises(LedgerDamaged, match=f"parking entry 2 of the batch .*{said}"):
            await store.entries.append(str(uuid.uuid4()), sent)
    assert await counts(owner, tenant) == [0, 0, 0, 0]


async def test_a_removal_that_leaves_content_behind_is_undone(postgres: Postgres, owner: Owner, tenant: str) -> None:
    async with Store.open(postgres.owner_url, signer=SIGNER) as keeper:
        await keeper.entries.append(str(uuid.uuid4()), old_bodies(tenant, 40, 40, 40))
        await keeper.policies.set(tenant, 30, by="ada")
        keeps = "RETURN NULL;"
        async with trigger(owner, "entries", "UPDATE", f"NEW.tenant = '{tenant}' AND NEW.index = 1", keeps):
            with pytest.raises(LedgerDamaged, match="expected 3 entries without content, got 2"):
                await keeper.removals.remove(tenant, 0)
        found = await owner.execute("SELECT count(body) FROM entries WHERE tenant = %s", [tenant])
        assert await found.fetchone() == (4,)
