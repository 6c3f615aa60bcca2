"""What a superuser does to the tables beside the ledgers is found, and named with tenant and place."""

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from dataclasses import dataclass

import psycopg
import pytest

from conftest import new_tenant
from contract.retention.conftest import old_bodies
from contract.store.ledger_check import REMOVE, Owner, past_triggers
from databases import Database, own_database
from examples import SIGNER, bodies
from trenova.dev.postgres import Postgres
from trenova.domain.verification import DamagedPlace
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.ledger.signing import Signer
from trenova.store import Store
from trenova.store.retention.holds import Matching
from trenova.store.verification import Verifier

ROTATED = LedgerSigner(prefix=SIGNER.prefix, secrets=(*SIGNER.secrets, Signer(name="next", seed=bytes(range(2, 34)))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A database for one test, where a policy for all tenants affects no other test."""

    database: Database
    store: Store
    owner: Owner
    workers: Executor

    async def find_damage(self, tenant: str = "", signer: LedgerSigner = SIGNER) -> list[DamagedPlace]:
        verifier = Verifier(url=self.database.worker_url, keys=signer.keys, workers=self.workers)
        return [place async for verdict in verifier.logs(lambda *_: None, tenant=tenant) for place in verdict.places]

    async def append(self, *sent: bytes) -> None:
        await self.store.entries.append(str(uuid.uuid4()), sent)

    async def fill_ledger(self) -> str:
        """A tenant whose ledger has seen everything: 17 entries, the first five without their content."""
        tenant = new_tenant()
        await self.append(*old_bodies(tenant, 40, 40, 40, 40, 40))
        await self.store.policies.set(tenant, 30, by="ada")  # entry 5
        matching = Matching(tenant=tenant, action="billing.*")
        await self.store.holds.place(matching, name="Audit", reason="Tax", by="ada")  # 6
        matching = Matching(tenant=tenant, actor="u-9")
        released = await self.store.holds.place(matching, name="Case", reason="Court", by="ada")  # 7
        await self.store.holds.release(released, reason="Closed", by="bob")  # 8
        await self.append(*bodies(tenant, 3))  # 9 to 11, received long ago, too
        await self.append(*old_bodies(tenant, 1, 1))  # 12, 13
        await self.store.removals.remove(tenant, 0)  # 14
        await self.append(*old_bodies(tenant, 40))  # 15: not yet removed
        unsealed = json.dumps({"tenant": tenant, "id": str(uuid.uuid4())}).encode()
        await self.append(*old_bodies(tenant, 1), unsealed)  # 16
        return tenant


@pytest.fixture(scope="module")
async def site(postgres: Postgres, workers: Executor) -> AsyncIterator[Site]:
    async with (
        own_database(postgres) as database,
        Store.open(database.owner_url, signer=SIGNER) as store,
        await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as owner,
    ):
        yield Site(database=database, store=store, owner=owner, workers=workers)


async def test_nothing_is_found_in_untouched_tables_while_everything_goes_on(site: Site) -> None:
    tenant, other = await site.fill_ledger(), await site.fill_ledger()
    await site.store.policies.set("*", 700, by="ada")
    await site.store.holds.place(Matching(tenant="*", target="s-7"), name="All", reason="Law", by="ada")
    await site.store.policies.unset(other, by="bob")

    async def goes_on() -> None:
        for number in range(40):
            await site.append(*old_bodies(tenant, 40, 1, *[2] * number))
            await site.store.removals.remove(tenant, 0)

    going = asyncio.create_task(goes_on())
    found = []
    while not going.done():
        found += await site.find_damage()
    await going
    async with Store.open(site.database.worker_url, signer=ROTATED) as rotated:
        await rotated.checkpoints.sign_anew()
    assert [str(place) for place in found + await site.find_damage(signer=ROTATED)] == []


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        ("DELETE FROM batches WHERE tenant = %s AND first_index = 9", "batches: .* at 9, got 12"),
        ("DELETE FROM batches WHERE tenant = %s AND first_index = 16", "batches: .* at 17, got 16"),
        ("DELETE FROM batches WHERE tenant = %s", "batches: .* at 17, got 0"),
        ("UPDATE batches SET stored = 4 WHERE tenant = %s AND first_index = 9", "batches: .* at 13, got 12"),
        (
            "INSERT INTO batches (xid, tenant, batch_id, first_index, stored, duplicate)"
            " SELECT '7', tenant, 'x', 9, 3, 0 FROM heads WHERE tenant = %s",
            "batches: .* at 12, got 9",
        ),
        (
            "DELETE FROM checkpoints WHERE tenant = %s AND size = 12",
            "checkpoint 12: expected the one of its append, got",
        ),
        (
            "DELETE FROM checkpoints WHERE tenant = %s AND size < 10",
            r"checkpoint 6: expected the one of its append, got none \(and 3 more\)",
        ),
        ("DELETE FROM removals WHERE tenant = %s", "entries 0–4: expected a body, or an entry retention.remove"),
        ("UPDATE removals SET days = 1 WHERE tenant = %s", "removal .*: expected days as its entry says, got another"),
        ("UPDATE removals SET bytes = 1 WHERE tenant = %s", "removal .*: expected bytes as its entry says"),
        ("UPDATE removals SET cut_off = now() WHERE tenant = %s", "removal .*: expected cut_off as its entry says"),
        (
            "UPDATE removals SET indexes = '{[0,3)}' WHERE tenant = %s",
            "removal .*: expected indexes as its entry says, got another",
        ),
        (
            "INSERT INTO removals SELECT tenant, gen_random_uuid(), indexes, entries, bytes, days, cut_off FROM removals"
            " WHERE tenant = %s",
            "removal .*: expected an entry retention.remove that reports it, got none",
        ),
        (
            "UPDATE entries AS e SET (occurred_at, actor_type, actor_id, action, target_type, target_id, outcome, salt, body)"
            " = (SELECT occurred_at, actor_type, actor_id, action, target_type, target_id, outcome, salt, body"
            " FROM entries AS o WHERE o.tenant = e.tenant AND o.index = 16) WHERE e.tenant = %s AND e.index = 2",
            "entry 2: expected no content, as a removal says, got a body",
        ),
        (
            "UPDATE retention_positions SET index = 99 WHERE tenant = %s",
            "the position of retention: expected 17 or less",
        ),
        (
            "UPDATE retention_positions SET index = 17 WHERE tenant = %s",
            "entry 15: expected no content, as retention has reached index 17 and nothing keeps it, got a body",
        ),
        (
            "UPDATE retention_policies SET days = 900 WHERE tenant = %s",
            "retention policy of .*: expected days as entry 5",
        ),
        (
            "UPDATE retention_policies SET set_by = 'x' WHERE tenant = %s",
            "retention policy of .*: expected set_by as entry",
        ),
        ("DELETE FROM retention_policies WHERE tenant = %s", "retention policy of .*: expected a row, as entry 5 says"),
        (
            "UPDATE legal_holds SET action = 'x' WHERE tenant = %s AND name = 'Audit'",
            "hold .*: expected action as entry 6",
        ),
        (
            "UPDATE legal_holds SET reason = 'x' WHERE tenant = %s AND name = 'Audit'",
            "hold .*: expected reason as entry 6",
        ),
        ("DELETE FROM legal_holds WHERE tenant = %s AND name = 'Audit'", "hold .*: expected a row, as entry 6 says"),
        (
            "UPDATE legal_holds SET release_reason = 'x', released_by = 'x', released_at = now()"
            " WHERE tenant = %s AND name = 'Audit'",
            "hold .*: expected an entry hold.release that reports its release, got none",
        ),
        (
            "UPDATE legal_holds SET release_reason = NULL, released_by = NULL, released_at = NULL"
            " WHERE tenant = %s AND name = 'Case'",
            "hold .*: expected released_by, released_at, release_reason as entry 8 says",
        ),
        (
            "INSERT INTO legal_holds (tenant, name, reason, placed_by) VALUES (%s, 'x', 'x', 'x')",
            "hold .*: expected an entry hold.place that reports it, got none",
        ),
        (
            "UPDATE dead_letters SET stored_at = now(), body = NULL WHERE tenant = %s",
            "parked entry .*: expected an entry in the ledger, as it is marked stored, got none",
        ),
        (
            "UPDATE dead_letters SET edited_by = 'x' WHERE tenant = %s",
            "parked entry .*: expected its editor and the body",
        ),
    ],
)
async def test_each_kind_of_tampering_is_one_place_that_is_named(site: Site, statement: str, place: str) -> None:
    tenant = await site.fill_ledger()
    assert await site.find_damage(tenant) == []
    await past_triggers(site.owner, statement, tenant)
    found = await site.find_damage(tenant)
    assert {one.tenant for one in found} == {tenant}
    assert [one for one in found if re.match(place, f"{one.place}: expected {one.expected}, got {one.got}")], found


async def test_a_policy_for_all_tenants_that_no_entry_reports_is_named(site: Site) -> None:
    await site.store.policies.set("*", 700, by="ada")
    await site.owner.execute("UPDATE retention_policies SET days = 1 WHERE tenant = '*'")
    try:
        (place,) = await site.find_damage("_trenova")
    finally:
        await site.store.policies.set("*", 700, by="ada")
    assert (place.tenant, place.place) == ("_trenova", "retention policy of *")


async def test_entries_that_a_client_sends_under_such_names_do_not_count(site: Site) -> None:
    tenant = await site.fill_ledger()
    policy_entry = {"action": "retention.set", "target": {"type": "log", "id": tenant}, "metadata": {"days": 1}}
    held = {"action": "hold.place", "target": {"type": "legal_hold", "id": str(uuid.uuid4())}}
    await site.append(*old_bodies(tenant, 0, **policy_entry), *old_bodies(tenant, 0, **held))
    assert await site.find_damage(tenant) == []


async def test_a_policy_and_a_hold_whose_entries_were_removed_with_their_age_are_not_reported(site: Site) -> None:
    """As retention left them when it did not keep such entries yet."""
    tenant = await site.fill_ledger()
    await past_triggers(site.owner, f"{REMOVE}index IN (5, 6)", tenant)
    (place,) = await site.find_damage(tenant)
    assert place.place == "entries 5–6"
