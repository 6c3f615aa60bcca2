"""Entries under a legal hold stay, however old they are, until the hold is released."""

import asyncio
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from conftest import GENEROUS_S
from contract.retention.conftest import DAYS, Owner, old_bodies, rows, run, store_bodies
from trenova.dev.postgres import Postgres
from trenova.errors import Forbidden, NotFound
from trenova.store import Store
from trenova.store.retention.holds import Matching

WORDS = {"name": "Case 17", "reason": "Court order", "by": "ada"}
MIDDLE = datetime(2025, 6, 1, tzinfo=UTC)
TARGETS = {
    "by its actor": (Matching(tenant="", actor="u-9"), [1]),
    "by its action": (Matching(tenant="", action="billing.refund"), [2]),
    "by the beginning of its action": (Matching(tenant="", action="billing.*"), [2, 3]),
    "by its target": (Matching(tenant="", target="s-9"), [4]),
    "from a time": (Matching(tenant="", occurred_from=MIDDLE), [0, 1, 2, 3, 4, 6]),
    "to a time": (Matching(tenant="", occurred_to=MIDDLE), [5]),
    "by all that it asks for": (Matching(tenant="", action="billing.*", actor="u-9"), []),
    "everything": (Matching(tenant=""), [0, 1, 2, 3, 4, 5, 6]),
}


@pytest.mark.parametrize("why", TARGETS)
async def test_a_hold_keeps_exactly_what_matches_it(
    store: Store, keeper: Store, owner: Owner, tenant: str, why: str
) -> None:
    matching, kept = TARGETS[why]
    at = {"occurred_at": (MIDDLE + timedelta(days=1)).isoformat()}
    others = (
        {"actor": {"type": "user", "id": "u-9"}, **at},
        {"action": "billing.refund", **at},
        {"action": "billing.read", **at},
        {"target": {"type": "shipment", "id": "s-9"}, **at},
        {"occurred_at": (MIDDLE - timedelta(microseconds=1)).isoformat()},
        {"occurred_at": MIDDLE.isoformat()},
    )
    await store_bodies(
        store, *old_bodies(tenant, 90, **at), *(each for other in others for each in old_bodies(tenant, 90, **other))
    )
    await keeper.policies.set(tenant, DAYS, by="ada")
    await keeper.holds.place(replace(matching, tenant=tenant), **WORDS)
    (looked,) = await run(store, tenant, dry_run=True)
    assert (looked.entries, looked.held) == (7 - len(kept), len(kept))
    await run(store, tenant)
    assert (await rows(owner, tenant)).removed == [index for index in range(7) if index not in kept]


async def test_a_hold_on_all_tenants_keeps_entries_of_every_tenant(
    store: Store, keeper: Store, owner: Owner, tenant: str
) -> None:
    await store_bodies(store, *old_bodies(tenant, 90))
    await keeper.policies.set(tenant, DAYS, by="ada")
    hold = await keeper.holds.place(Matching(tenant="*", target="s-1"), **WORDS)
    await run(store, tenant)
    assert (await rows(owner, tenant)).removed == []
    await keeper.holds.release(hold, reason="Closed", by="bob")


async def test_what_a_hold_kept_is_removed_after_its_release_and_the_ledger_reports_all_of_it(
    store: Store, keeper: Store, owner: Owner, tenant: str
) -> None:
    await store_bodies(store, *old_bodies(tenant, *[90] * 5))
    await store_bodies(store, *old_bodies(tenant, *[90] * 3, action="billing.refund"))
    await store_bodies(store, *old_bodies(tenant, *[90] * 2))
    await keeper.policies.set(tenant, DAYS, by="ada")
    hold = await keeper.holds.place(Matching(tenant=tenant, action="billing.*"), **WORDS)
    for _ in range(2):
        await run(store, tenant)
    await keeper.holds.release(hold, reason="Closed", by="bob")
    await run(store, tenant)
    left = await rows(owner, tenant)
    assert left.removed == list(range(10))
    assert [report["indexes"] for report in left.removals] == [[[0, 4], [8, 9]], [[5, 7]]]
    _, placed, _, released, _ = left.reports
    assert (placed["action"], placed["comment"]) == ("hold.place", "Court order")
    assert placed["metadata"] == {"tenant": tenant, "action": "billing.*"}
    assert placed["target"] == {"type": "legal_hold", "id": str(hold), "name": "Case 17"}
    assert (released["action"], released["comment"], released["actor"]["id"]) == ("hold.release", "Closed", "bob")


async def test_a_hold_is_listed_with_its_placement_and_release_and_released_once(keeper: Store, tenant: str) -> None:
    id_ = await keeper.holds.place(Matching(tenant=tenant, actor="u-1"), **WORDS)
    await keeper.holds.release(id_, reason="Closed", by="bob")
    with pytest.raises(NotFound, match="no hold"):
        await keeper.holds.release(id_, reason="Again", by="bob")
    with pytest.raises(NotFound, match="no hold"):
        await keeper.holds.release(uuid.uuid4(), reason="None", by="bob")
    (hold,) = [hold for hold in await keeper.holds.list() if hold.id == id_]
    assert (hold.tenant, hold.actor, hold.action, hold.reason) == (tenant, "u-1", None, "Court order")
    assert (hold.placed_by, hold.released_by, hold.release_reason) == ("ada", "bob", "Closed")


async def test_placing_a_hold_waits_for_a_running_removal(
    store: Store, keeper: Store, postgres: Postgres, owner: Owner, tenant: str
) -> None:
    await store_bodies(store, *old_bodies(tenant, 90))
    await keeper.policies.set(tenant, DAYS, by="ada")
    async with await psycopg.AsyncConnection.connect(postgres.worker_url) as remover:
        await remover.execute("SELECT remove_entries(%s, 0)", [tenant])
        placing = asyncio.create_task(keeper.holds.place(Matching(tenant=tenant), **WORDS))
        question = "SELECT FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
        async with asyncio.timeout(GENEROUS_S):
            while not (await owner.execute(question, [remover.info.backend_pid])).rowcount:  # noqa: ASYNC110 - PostgreSQL has no event for it
                await asyncio.sleep(0.02)
        await remover.rollback()
    await placing
    await run(store, tenant)
    assert (await rows(owner, tenant)).removed == []


async def test_the_application_cannot_place_or_release_holds_or_set_policies(
    store: Store, keeper: Store, tenant: str
) -> None:
    id_ = await keeper.holds.place(Matching(tenant=tenant), **WORDS)
    with pytest.raises(Forbidden, match="may not change retention policies or legal holds"):
        await store.holds.place(Matching(tenant=tenant), **WORDS)
    with pytest.raises(Forbidden):
        await store.holds.release(id_, reason="Closed", by="bob")
    with pytest.raises(Forbidden):
        await store.policies.set(tenant, 1, by="bob")
    with pytest.raises(Forbidden):
        await store.policies.unset(tenant, by="bob")
