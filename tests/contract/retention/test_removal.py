"""What a run removes, what it leaves, and what the ledger reports of it."""

import asyncio
import io
import json
import uuid
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from conftest import Keys
from contract.retention.conftest import DAYS, Owner, old_bodies, rows, run, store_bodies
from contract.store.ledger_check import past_triggers
from contract.store.test_feed import until
from examples import SIGNER, append_as_system, ids
from trenova.dev.postgres import Postgres
from trenova.errors import InvalidConfiguration
from trenova.ledger import signing
from trenova.ledger.evidence import check, write
from trenova.store import Store
from trenova.store.evidence import evidence
from trenova.store.retention.holds import Matching
from trenova.store.search import START_OF_FEED, Filters
from trenova.store.verification import Verifier

STEP = 1000  # entries that are removed in one transaction
PATIENCE = 1000  # consecutive entries that are too young, after which the walk ends


async def test_what_is_older_than_its_policy_is_removed_and_the_ledger_reports_it(
    store: Store, keeper: Store, owner: Owner, tenant: str
) -> None:
    old = old_bodies(tenant, 90, 60, 31)
    await store_bodies(store, *old, *old_bodies(tenant, 29, 1))
    await keeper.policies.set(tenant, DAYS, by="ada")
    before = datetime.now(UTC)
    (step,) = await run(store, tenant)
    assert (step.entries, step.bytes, step.more) == (3, sum(map(len, old)), False)
    left = await rows(owner, tenant)
    assert left.removed == [0, 1, 2]
    said, report = left.reports
    assert (said["actor"], said["action"], said["metadata"]) == (
        {"id": "ada", "type": "user"},
        "retention.set",
        {"days": DAYS},
    )
    assert report["actor"] == {"id": "trenova-retention", "type": "system"}
    assert report["target"] == {"id": tenant, "type": "log"}
    metadata = report["metadata"]
    cut_off = datetime.fromisoformat(metadata.pop("received_before"))
    assert abs(cut_off + timedelta(days=DAYS) - before) < timedelta(hours=1)
    assert metadata == {"entries": 3, "bytes": step.bytes, "indexes": [[0, 2]], "days": DAYS}
    assert report["occurred_at"].endswith("Z")


async def test_a_second_run_removes_nothing_and_reports_nothing(
    store: Store, keeper: Store, owner: Owner, tenant: str
) -> None:
    await store_bodies(store, *old_bodies(tenant, 90, 60, 1))
    await keeper.policies.set(tenant, DAYS, by="ada")
    await run(store, tenant)
    before = await rows(owner, tenant)
    (step,) = await run(store, tenant)
    assert step.entries == 0
    assert await rows(owner, tenant) == before


async def test_without_a_policy_everything_is_kept(store: Store, owner: Owner, tenant: str) -> None:
    await store_bodies(store, *old_bodies(tenant, 30_000))
    assert await run(store, tenant) == []
    assert (await rows(owner, tenant)).removed == []


async def test_a_long_ledger_is_emptied_in_steps_and_each_reports_what_it_removed(
    store: Store, keeper: Store, owner: Owner, tenant: str
) -> None:
    await store_bodies(store, *old_bodies(tenant, *[90] * 2300, 1, 1))
    await keeper.policies.set(tenant, DAYS, by="ada")
    steps = await run(store, tenant)
    assert [(step.entries, step.more) for step in steps] == [(STEP, True), (STEP, True), (300, False)]
    left = await rows(owner, tenant)
    assert left.removed == list(range(2300))
    assert [report["indexes"] for report in left.removals] == [[[0, 999]], [[1000, 1999]], [[2000, 2299]]]


async def test_age_is_by_the_servers_time_of_receipt_not_by_what_the_sender_says(
    store: Store, keeper: Store, owner: Owner, tenant: str
) -> None:
    said_new = old_bodies(tenant, 90, occurred_at="2999-01-01T00:00:00Z")
    said_old = old_bodies(tenant, 1, occurred_at="1999-01-01T00:00:00Z")
    await store_bodies(store, *said_new, *said_old)
    await keeper.policies.set(tenant, DAYS, by="ada")
    await run(store, tenant)
    assert (await rows(owner, tenant)).removed == [0]


async def test_a_clock_that_ran_ahead_keeps_only_its_own_entry(
    store: Store, keeper: Store, owner: Owner, tenant: str
) -> None:
    # Earlier releases stored what was received in the future.
    await append_as_system(store, *old_bodies(tenant, 90, -5000, *[80] * 1200))
    await keeper.policies.set(tenant, DAYS, by="ada")
    await run(store, tenant)
    left = await rows(owner, tenant)
    assert left.removed == [0, *range(2, 1202)]
    await store_bodies(store, *old_bodies(tenant, 40))
    await run(store, tenant)
    assert [report["indexes"] for report in left.removals] == [[[0, 0], [2, 1000]], [[1001, 1201]]]
    assert (await rows(owner, tenant)).removals[-1]["indexes"] == [[1205, 1205]]


async def test_what_was_received_in_the_future_is_as_old_as_it_is_stored(
    store: Store, keeper: Store, owner: Owner, tenant: str
) -> None:
    ahead = old_bodies(tenant, *[-2_000_000] * (PATIENCE + 200))
    await append_as_system(store, *ahead)
    await store_bodies(store, *old_bodies(tenant, 90))
    await keeper.policies.set(tenant, DAYS, by="ada")
    await run(store, tenant)
    assert (await rows(owner, tenant)).removed == []  # stored today, and the walk ends behind so many young ones
    await past_triggers(
        owner, "UPDATE checkpoints SET signed_at = signed_at - interval '90 days' WHERE tenant = %s", tenant
    )
    await run(store, tenant)
    assert (await rows(owner, tenant)).removed == [*range(len(ahead) + 1)]


async def test_the_walk_ends_after_many_entries_that_are_too_young(
    store: Store, keeper: Store, owner: Owner, tenant: str
) -> None:
    await store_bodies(store, *old_bodies(tenant, 90, *[1] * PATIENCE, 90))
    await keeper.policies.set(tenant, DAYS, by="ada")
    assert [step.next_index for step in await run(store, tenant)] == [PATIENCE + 1]
    assert (await rows(owner, tenant)).removed == [0]


async def test_entries_that_report_policies_and_removals_stay_for_ever(
    store: Store, keeper: Store, owner: Owner, tenant: str
) -> None:
    await store_bodies(store, *old_bodies(tenant, 90))
    await keeper.policies.set(tenant, DAYS, by="ada")
    await run(store, tenant)
    await past_triggers(
        owner, "UPDATE entries SET received_at = received_at - interval '90 days' WHERE tenant = %s", tenant
    )
    await run(store, tenant)
    left = await rows(owner, tenant)
    assert left.removed == [0]
    assert [entry["action"] for entry in left.reports] == ["retention.set", "retention.remove"]


async def test_a_policy_of_a_tenant_overrides_the_default_and_the_system_is_exempt(
    empty: str,
) -> None:
    async with Store.open(empty, signer=SIGNER) as store:
        for tenant in ("acme", "globex", "initech", "_trenova"):
            await append_as_system(store, *old_bodies(tenant, 90, 20))
        await store.policies.set("*", DAYS, by="ada")
        await store.policies.set("globex", None, by="ada")
        await store.policies.set("initech", 10, by="ada")
        found = {step.tenant: step.entries async for step in store.removals.run()}
        assert found == {"acme": 1, "initech": 2}
        await store.policies.unset("globex", by="ada")
        await store.policies.unset("*", by="ada")
        assert [step.tenant async for step in store.removals.run()] == ["initech"]
        assert [(policy.tenant, policy.days) for policy in await store.policies.list()] == [("initech", 10)]
        system = await store.search.page(Filters(tenant="_trenova", actor="ada"), after=None, limit=10)
        assert len(system.bodies) == 2


async def test_a_dry_run_reports_the_same_and_changes_nothing(
    store: Store, keeper: Store, owner: Owner, tenant: str
) -> None:
    await store_bodies(store, *old_bodies(tenant, *[90] * 1100), *old_bodies(tenant, 1))
    await keeper.policies.set(tenant, DAYS, by="ada")
    before = await rows(owner, tenant)
    looked = await run(store, tenant, dry_run=True)
    assert await rows(owner, tenant) == before
    assert sum(step.entries for step in looked) == 1100
    done = await run(store, tenant)
    assert [(step.entries, step.bytes) for step in looked] == [(step.entries, step.bytes) for step in done]


async def test_without_a_signing_key_nothing_is_removed(
    postgres: Postgres, store: Store, keeper: Store, owner: Owner, tenant: str
) -> None:
    await store_bodies(store, *old_bodies(tenant, 90))
    await keeper.policies.set(tenant, DAYS, by="ada")
    async with Store.open(postgres.worker_url) as unsigned:
        with pytest.raises(InvalidConfiguration, match="signing key"):
            await run(unsigned, tenant)
    assert (await rows(owner, tenant)).removed == []


async def test_what_is_left_proves_verifies_and_keeps_its_ids(
    store: Store, keeper: Store, postgres: Postgres, tenant: str, workers: Executor
) -> None:
    old = old_bodies(tenant, *[90] * 300)
    await store_bodies(store, *old)
    await store_bodies(store, *old_bodies(tenant, *[1] * 20))
    early = await store.ledgers.newest(tenant)
    await keeper.policies.set(tenant, DAYS, by="ada")
    await run(store, tenant)
    verifier = Verifier(url=postgres.worker_url, keys=SIGNER.keys, workers=workers)
    (verdict,) = [one async for one in verifier.logs(lambda *_: None, tenant=tenant)]
    assert (verdict.places, verdict.size, verdict.removed) == ([], 322, 300)
    assert early is not None
    made = await evidence(store.ledgers, tenant, keys=SIGNER.keys(tenant), known=[early.note])
    content = write.start(made.header)
    async for section in made.sections():
        content += write.section(section)
    content += write.finish(made.header)
    good = check.check(io.BytesIO(content), check_signature=signing.check, keys=SIGNER.keys(tenant))
    assert (good.holds, good.entries, good.removed) == (True, 322, ((0, 299),))
    again = await store.entries.append(str(uuid.uuid4()), old)
    assert (again.stored, again.duplicate) == (0, 300)


async def test_readers_do_not_find_it_and_followers_find_the_entry_that_reports_it(
    store: Store, keeper: Store, tenant: str
) -> None:
    old, young = (
        old_bodies(tenant, *[90] * 3, action="shipment.create"),
        old_bodies(tenant, 1, action="shipment.update"),
    )
    await store_bodies(store, *old, *young)
    await keeper.policies.set(tenant, DAYS, by="ada")
    await run(store, tenant)
    for filters in (
        Filters(tenant=tenant, action="shipment.*"),
        Filters(tenant=tenant, actor="u-1"),
        Filters(tenant=tenant, target="s-1"),
        Filters(tenant=tenant, text="shipment.c"),
        Filters(tenant=tenant, occurred_to=datetime.now(UTC) - timedelta(hours=1)),
    ):
        found = await store.search.page(filters, after=None, limit=10)
        assert set(found.bodies) <= set(young)
    assert len(await until(store, Filters(tenant=tenant, action="retention.*"), START_OF_FEED, 2)) == 2


async def test_a_removed_entry_is_gone_for_the_api_and_is_proved(
    store: Store, keeper: Store, keys: Keys, api: httpx.AsyncClient
) -> None:
    old = old_bodies(keys.tenant, 90)
    await store_bodies(store, *old)
    await keeper.policies.set(keys.tenant, DAYS, by="ada")
    await run(store, keys.tenant)
    (id_,) = ids(old)
    gone = await api.get(f"/v1/entries/{id_}")
    assert (gone.status_code, gone.json()["title"]) == (410, "Removed")
    proof = await api.get(f"/v1/entries/{id_}/proof")
    assert proof.status_code == 200
    assert "salt" not in proof.json()
    listed = (await api.get("/v1/entries")).json()["entries"]
    assert [entry["action"] for entry in listed] == ["retention.remove", "retention.set"]


async def test_entries_are_stored_during_a_removal_and_nothing_is_lost(
    store: Store, keeper: Store, postgres: Postgres, owner: Owner, tenant: str
) -> None:
    await store_bodies(store, *old_bodies(tenant, *[90] * 2500))
    await keeper.policies.set(tenant, DAYS, by="ada")
    fresh = [old_bodies(tenant, *[1] * 20) for _ in range(20)]
    # A connection for each, as they take turns on the ledger: none may wait for a connection as well.
    async with Store.open(postgres.worker_url, pool_size=len(fresh), signer=SIGNER) as writer:
        storing = asyncio.gather(*(store_bodies(writer, *bodies) for bodies in fresh))
        found = await asyncio.gather(run(store, tenant), run(store, tenant))
        await storing
    assert sum(step.entries for steps in found for step in steps) == 2500
    left = await rows(owner, tenant)
    assert left.removed == list(range(2500))
    assert sum(report["entries"] for report in left.removals) == 2500
    assert list(left.there) == list(range(2500 + 400 + 1 + len(left.removals)))


async def test_a_damaged_ledger_is_reported_and_keeps_all_entries(
    store: Store, keeper: Store, owner: Owner, tenant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await store_bodies(store, *old_bodies(tenant, 90, 90))
    await keeper.policies.set(tenant, DAYS, by="ada")
    await past_triggers(owner, "DELETE FROM tiles WHERE tenant = %s", tenant)
    assert await run(store, tenant) == []
    assert (await rows(owner, tenant)).removed == []
    assert "ledger damaged" in capsys.readouterr().out
    for table in ("entries", "checkpoints", "heads", "batches", "retention_policies"):
        await past_triggers(owner, f"DELETE FROM {table} WHERE tenant = %s", tenant)


async def test_entries_that_report_holds_stay_and_those_that_only_look_like_it_are_removed(
    store: Store, keeper: Store, owner: Owner, tenant: str
) -> None:
    await keeper.policies.set(tenant, 1, by="ada")
    hold = await keeper.holds.place(Matching(tenant=tenant, action="none"), name="Case 17", reason="Order", by="ada")
    await keeper.holds.release(hold, reason="over", by="ada")
    (report,) = [entry for entry in (await rows(owner, tenant)).reports if entry["action"] == "hold.place"]
    forged = {**report, "id": str(uuid.uuid4())}
    # As an earlier release stored it, which accepted such names from clients: the worker of this one parks it.
    await append_as_system(store, json.dumps(forged, separators=(",", ":"), sort_keys=True).encode())
    await past_triggers(
        owner, "UPDATE entries SET received_at = received_at - interval '90 days' WHERE tenant = %s", tenant
    )
    await run(store, tenant)
    left = await rows(owner, tenant)
    assert left.removed == [3]
    assert [entry["action"] for entry in left.reports] == [
        *("retention.set", "hold.place", "hold.release", "retention.remove"),
    ]
