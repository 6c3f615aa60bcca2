"""Changes beside the ledgers: recorded with the change, appended once, and reported where they are missing."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from databases import Database, own_database, upgrade
from examples import SIGNER, body
from trenova.dev.postgres import Postgres
from trenova.errors import Forbidden, TrenovaError
from trenova.store import Store, schema
from trenova.store.verification import Verifier, processes

Owner = psycopg.AsyncConnection[tuple[Any, ...]]
TOLD = "SELECT body FROM entries WHERE tenant = %s AND body IS NOT NULL ORDER BY index"


@dataclass(frozen=True, slots=True)
class Site:
    database: Database
    owner: Owner
    api: Store
    worker: Store
    operator: Store
    workers: Executor

    async def entries_of(self, tenant: str = "_trenova") -> list[dict[str, Any]]:
        found = await self.owner.execute(TOLD, [tenant])
        return [json.loads(text) for (text,) in await found.fetchall()]

    async def damage(self) -> list[str]:
        verifier = Verifier(url=self.database.operator_url, keys=SIGNER.keys, workers=self.workers)
        return [str(place) async for log in verifier.logs(lambda *_: None) for place in log.places]

    async def past_triggers(self, statement: str) -> None:
        async with self.owner.transaction():
            await self.owner.execute("SET LOCAL session_replication_role = replica")
            await self.owner.execute(statement.encode())


@pytest.fixture(scope="module")
def workers() -> Iterator[Executor]:
    with processes(1) as opened:
        yield opened


@pytest.fixture
async def site(postgres: Postgres, workers: Executor) -> AsyncIterator[Site]:
    async with (
        own_database(postgres) as database,
        await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as owner,
        Store.open(database.api_url) as api,
        Store.open(database.worker_url, signer=SIGNER) as worker,
        Store.open(database.operator_url) as operator,
    ):
        yield Site(database, owner, api, worker, operator, workers)


async def edit_parked_entry(site: Site) -> uuid.UUID:
    """The id of a parked entry that an admin has edited."""
    await site.worker.entries.append("poor", [b'{"tenant": "acme"}'])
    (letter,) = await site.worker.dead_letters.page(tenant="acme", limit=2)
    key = await site.operator.api_keys.create(tenant="acme", role="admin", name="", by="ada")
    entry_id = uuid.uuid4()
    corrected = body("acme", id=str(entry_id))
    await site.api.dead_letters.edit(letter.id, tenant="acme", entry_id=entry_id, body=corrected, edited_by=key.id)
    return letter.id


async def test_keys_that_are_created_and_revoked_are_entries_once_each(site: Site) -> None:
    made = await site.operator.api_keys.create(tenant=None, role="admin", name="x", by="ada")
    await site.operator.api_keys.revoke(made.id, by="bob")
    await site.operator.api_keys.revoke(made.id, by="bob")
    assert sum(await asyncio.gather(*(site.worker.records.append_pending() for _ in range(4)))) == 2
    created, revoked = await site.entries_of()
    assert (created["action"], created["actor"]["id"]) == ("api_key.create", "ada")
    assert (revoked["action"], revoked["actor"]["id"]) == ("api_key.revoke", "bob")
    assert {created["target"]["id"], revoked["target"]["id"]} == {made.id}
    assert created["metadata"]["role"] == "admin"
    assert await site.damage() == []


async def test_a_worker_that_is_killed_while_it_appends_leaves_the_record_for_the_next(site: Site) -> None:
    await site.operator.api_keys.create(tenant="acme", role="writer", name="", by="ada")
    await site.worker.records.append_pending()
    await site.operator.api_keys.create(tenant="acme", role="reader", name="", by="ada")
    async with site.owner.transaction():
        await site.owner.execute("SELECT FROM heads FOR UPDATE")
        dying = asyncio.create_task(site.worker.records.append_pending())
        waits = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"
        async with await psycopg.AsyncConnection.connect(site.database.owner_url, autocommit=True) as other:
            name = site.owner.info.dbname
            while not await (await other.execute(waits, [name])).fetchall():  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.05)
        with pytest.raises(TrenovaError):
            await dying
    assert len(await site.entries_of()) == 1
    assert await site.worker.records.append_pending() == 1
    assert await site.worker.records.append_pending() == 0
    assert [each["metadata"]["role"] for each in await site.entries_of()] == ["writer", "reader"]


async def test_an_edit_is_reported_before_the_edited_entry_is_stored(site: Site) -> None:
    letter = await edit_parked_entry(site)
    assert (await site.worker.dead_letters.retry(10)).stored == 1
    edit_entry, stored = await site.entries_of("acme")
    assert (edit_entry["action"], edit_entry["target"]["id"], stored["action"]) == (
        "dead_letter.edit",
        str(letter),
        "shipment.update",
    )
    await site.worker.records.append_pending()
    assert await site.damage() == []


async def test_an_edit_needs_a_valid_admin_key_of_that_tenant(site: Site) -> None:
    await site.worker.entries.append("poor", [b'{"tenant": "acme"}'])
    (letter,) = await site.worker.dead_letters.page(tenant="acme", limit=2)
    keys = site.operator.api_keys
    foreign = await keys.create(tenant="globex", role="admin", name="", by="ada")
    writer = await keys.create(tenant="acme", role="writer", name="", by="ada")
    revoked = await keys.create(tenant="acme", role="admin", name="", by="ada")
    await keys.revoke(revoked.id, by="ada")
    for key_id in (foreign.id, writer.id, revoked.id, "none"):
        with pytest.raises(Forbidden):
            await site.api.dead_letters.edit(
                letter.id, tenant="acme", entry_id=uuid.uuid4(), body=b"x", edited_by=key_id
            )


async def test_keys_and_letters_that_are_changed_without_the_triggers_are_named(site: Site) -> None:
    letter = await edit_parked_entry(site)
    await site.operator.api_keys.create(tenant="acme", role="writer", name="", by="ada")
    made = await site.operator.api_keys.create(tenant="acme", role="reader", name="", by="ada")
    await site.operator.api_keys.revoke(made.id, by="ada")
    await site.worker.records.append_pending()
    assert await site.damage() == []
    for change, expected in (
        ("UPDATE api_keys SET role = 'admin' WHERE role = 'writer'", "role, tenant and secret as its entry says"),
        ("UPDATE api_keys SET secret_hash = sha256('x') WHERE role = 'admin'", "role, tenant and secret"),
        ("UPDATE api_keys SET revoked_at = NULL WHERE role = 'reader'", "a revoked key, as its record says"),
        (
            "INSERT INTO api_keys (id, secret_hash, name, role) VALUES ('forged', sha256('x'), '', 'admin')",
            "API key forged: expected an entry api_key.create that reports it",
        ),
        (f"UPDATE dead_letters SET body = 'forged' WHERE id = '{letter}'", "the body that its last edit left"),
    ):
        await site.past_triggers(change)
        assert [each for each in await site.damage() if expected in each], change


async def test_keys_from_before_the_roles_get_a_baseline(postgres: Postgres, workers: Executor) -> None:
    async with (
        own_database(postgres, "0008") as database,
        await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as owner,
        Store.open(database.worker_url, signer=SIGNER) as worker,
        Store.open(database.operator_url) as operator,
    ):
        await owner.execute(
            "INSERT INTO api_keys (id, secret_hash, name, role) VALUES ('old', sha256('x'), '', 'admin')"
        )
        await asyncio.to_thread(upgrade, database.owner_url, schema.latest())
        site = Site(database, owner, worker, worker, operator, workers)
        assert await site.damage() == []
        await worker.records.append_pending()
        assert [each["action"] for each in await site.entries_of()] == ["api_key.baseline"]
        await operator.api_keys.revoke("old", by="ada")
        await worker.records.append_pending()
        assert await site.damage() == []
