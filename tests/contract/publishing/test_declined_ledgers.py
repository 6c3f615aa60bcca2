"""Ledgers that a witness declines, because they contradict what it has cosigned, or does not know them."""

import uuid
from dataclasses import replace

import psycopg
import pytest
import structlog.testing

from contract.publishing.conftest import Owner, Stand, Witnessing, append, refusals, set_back, signed_by
from trenova.ledger import signing, verify
from trenova.ledger.add_checkpoint import AddCheckpointRequest
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.store import Store
from trenova.store.checkpoint_conflicts import Conflict


@pytest.mark.parametrize(
    "fork",
    [
        (2, "it answers 422"),
        (3, "it has cosigned another tree of size 3"),
        (50, "it has cosigned size 50, which this ledger has not reached: entries are missing"),
    ],
)
async def test_a_ledger_with_two_histories_is_declined_and_reported_and_others_continue(
    logs: Store, signer: LedgerSigner, stands: list[Stand], witnessing: Witnessing, fork: tuple[int, str]
) -> None:
    forked, honest = (f"{letter}-{uuid.uuid4().hex[:12]}" for letter in "ab")
    for tenant in (forked, honest):
        await append(logs, tenant, 3)
    key = stands[0].service.signer.key
    async with stands[0].serving():
        size, reason = fork
        other = signer.sign(forked, size=size, root=bytes(32))
        stands[0].service.add_checkpoint(AddCheckpointRequest(old=0, path=(), note=other).encode())
        ours = replace(witnessing(stands[0]), clock=lambda: 0.0)
        with structlog.testing.capture_logs() as logged:
            await ours.run_round()
            await ours.run_round()  # it rests, and is not reported again at once
    ((tenant, at, said),) = refusals(logged)
    assert (tenant, at) == (forked, 3)
    assert said.startswith(reason)
    assert await signed_by(logs, forked, 3, [key]) == set()
    assert await signed_by(logs, honest, 3, [key]) == {key}


async def test_a_declined_ledger_is_retried_with_growing_backoff(
    logs: Store, stands: list[Stand], tenant: str, witnessing: Witnessing
) -> None:
    await append(logs, tenant, 1)
    unknown = replace(stands[0], service=replace(stands[0].service, logs=()))
    now = 0.0
    ours = replace(witnessing(unknown), clock=lambda: now)
    moments = []
    async with unknown.serving():
        for now in (0, 9, 10, 29, 30, 69, 70):
            with structlog.testing.capture_logs() as logged:
                await ours.run_round()
            moments += [now for _ in refusals(logged)]
    assert moments == [0, 10, 30, 70]
    async with stands[0].serving():
        now = 150.0
        await ours.run_round()
    key = stands[0].service.signer.key
    assert await signed_by(logs, tenant, 1, [key]) == {key}


async def refused_now(logs: Store, signer: LedgerSigner, stand: Stand) -> dict[str, str]:
    found, total = await logs.checkpoint_conflicts.list_open(signer.prefix, [stand.witness.id], limit=100)
    assert len(found) == total
    return {each.origin.rpartition("/")[2]: each.reason for each in found}


@pytest.mark.parametrize(("grown", "reason"), [(1, "it has cosigned another tree of size 3"), (4, "it answers 422")])
async def test_a_tree_that_was_not_cosigned_is_never_served_with_a_cosignature_and_is_submitted_to_the_witness(  # noqa: PLR0913, PLR0917 - fixtures
    logs: Store,
    owner: Owner,
    signer: LedgerSigner,
    stands: list[Stand],
    tenant: str,
    witnessing: Witnessing,
    grown: int,
    reason: str,
) -> None:
    stand, key = stands[0], stands[0].service.signer.key
    await append(logs, tenant, 3)
    async with stand.serving():
        ours = witnessing(stand)
        await ours.run_round()
        assert await signed_by(logs, tenant, 3, [key]) == {key}
        await set_back(owner, tenant, logs, signer, size=2)
        await append(logs, tenant, grown)
        assert await signed_by(logs, tenant, 2 + grown, [key]) == set()
        with structlog.testing.capture_logs() as logged:
            await ours.run_round()
        ((of, size, said),) = refusals(logged)
        assert (of, size) == (tenant, 2 + grown)
        assert said.startswith(reason)
        assert (await refused_now(logs, signer, stand))[tenant] == said
    assert await signed_by(logs, tenant, 2 + grown, [key]) == set()
    kept = await owner.execute(
        "SELECT note, status, convert_from(answer, 'UTF8') FROM refused_checkpoints WHERE origin = %s",
        [f"{signer.prefix}/{tenant}"],
    )
    ((note, status, answer),) = await kept.fetchall()
    origin, of_log = f"{signer.prefix}/{tenant}", signer.keys(tenant)
    assert verify.signed_checkpoint(note, origin=origin, keys=of_log, check=signing.check).size == 2 + grown
    assert status == 422
    assert answer.endswith("\n")
    assert list((stand.service.state.path / "refused").iterdir()) != []


async def test_a_rolled_back_ledger_is_a_conflict_even_before_it_grows_and_until_it_is_repaired(  # noqa: PLR0913, PLR0917 - fixtures
    logs: Store, owner: Owner, signer: LedgerSigner, stands: list[Stand], tenant: str, witnessing: Witnessing
) -> None:
    stand = stands[0]
    ours = witnessing(stand)
    async with stand.serving():
        for count in (2, 1):
            await append(logs, tenant, count)
            await ours.run_round()
        await owner.execute("CREATE TEMPORARY TABLE saved AS SELECT * FROM checkpoints WHERE tenant = %s", [tenant])
        await set_back(owner, tenant, logs, signer, size=2)  # where it was cosigned, too
        await ours.run_round()
        assert (await refused_now(logs, signer, stand))[tenant] == (
            "it has cosigned size 3, which this ledger has not reached: entries are missing"
        )
        async with owner.transaction():
            await owner.execute("SET LOCAL session_replication_role = replica")
            await owner.execute("DELETE FROM checkpoints WHERE tenant = %s", [tenant])
            await owner.execute("INSERT INTO checkpoints SELECT * FROM saved")
            await owner.execute(
                "UPDATE heads SET size = 3, frontier = frontier || frontier WHERE tenant = %s", [tenant]
            )
        await ours.run_round()
        assert tenant not in await refused_now(logs, signer, stand)


async def test_the_first_hundred_conflicts_of_a_ledger_are_stored_and_the_others_counted(
    logs: Store, owner: Owner, signer: LedgerSigner, tenant: str
) -> None:
    origin = f"{signer.prefix}/{tenant}"
    first = Conflict(origin=origin, place="w+00", size=1, note=b"1", reason="r\0", status=422, answer=bytes(10_000))
    for number in (1, 1, *range(2, 104)):
        await logs.checkpoint_conflicts.add(replace(first, note=str(number).encode()))
    found = await owner.execute(
        "SELECT number, note, times, octet_length(answer) FROM refused_checkpoints WHERE origin = %s ORDER BY number",
        [origin],
    )
    rows = await found.fetchall()
    assert [(number, note) for number, note, *_ in rows] == [(at, str(at).encode()) for at in range(1, 101)]
    assert [times for _, _, times, _ in rows] == [2, *[1] * 98, 4]
    assert {length for *_, length in rows} == {4096}
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        await owner.execute("UPDATE refused_checkpoints SET note = '' WHERE origin = %s", [origin])
