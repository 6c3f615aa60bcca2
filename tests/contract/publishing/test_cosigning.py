"""From a stored checkpoint to one that witnesses have cosigned: real witnesses, real HTTP, real PostgreSQL."""

import asyncio
import uuid
from collections.abc import MutableMapping
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import Any

import pytest
import structlog.testing
from litestar.enums import ScopeType
from litestar.types import Receive, Scope, Send

from conftest import GENEROUS_S, new_tenant
from contract.publishing.conftest import (
    Owner,
    Stand,
    Witnessing,
    append,
    damaged_note,
    refusals,
    serve_app,
    signed_by,
    witness_clients,
)
from examples import bodies
from trenova.config import LedgerSettings
from trenova.dev.postgres import Postgres
from trenova.errors import InvalidConfiguration, Unavailable
from trenova.ledger import checkpoint, signing, verify
from trenova.ledger import note as notes
from trenova.ledger.add_checkpoint import AddCheckpointRequest
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.ledger.signing import Signer
from trenova.publishing import publisher
from trenova.publishing.cosigning import MAX_CONCURRENT_REQUESTS
from trenova.publishing.witnesses import witnesses_of
from trenova.store import Store
from trenova.store.cosignatures import CosignatureGap
from trenova.witness import server


async def test_two_of_three_witnesses_cosign_while_one_is_unreachable(
    logs: Store, signer: LedgerSigner, stands: list[Stand], tenant: str, witnessing: Witnessing
) -> None:
    first, second, absent = stands
    keys = [stand.service.signer.key for stand in stands]
    async with first.serving(), second.serving():
        for count, size in ((1, 1), (299, 300), (1, 301)):
            await append(logs, tenant, count)
            for stand in (first, second):
                await witnessing(stand).run_round()
            with pytest.raises(Unavailable, match="w2 is unreachable"):
                await witnessing(absent).run_round()
            assert await signed_by(logs, tenant, size, keys) == {keys[0], keys[1]}
    note = await logs.cosignatures.cosigned_note(tenant, 301)
    assert note is not None
    origin, of_log = f"{signer.prefix}/{tenant}", signer.keys(tenant)
    assert verify.signed_checkpoint(note, origin=origin, keys=of_log, check=signing.check).size == 301


async def test_ledgers_of_many_tenants_are_each_submitted_once(
    logs: Store, signer: LedgerSigner, stands: list[Stand], witnessing: Witnessing
) -> None:
    tenants = [new_tenant() for _ in range(9)]
    await logs.entries.append(str(uuid.uuid4()), [bodies(tenant, 1)[0] for tenant in tenants])
    key = stands[0].service.signer.key
    async with stands[0].serving():
        await witnessing(stands[0]).run_round()
        for tenant in tenants:
            assert await signed_by(logs, tenant, 1, [key]) == {key}
        left = await logs.cosignatures.find_gaps(signer.prefix, stands[0].witness.id, after="", limit=1000)
        assert not {each.tenant for each in left} & set(tenants)


async def test_two_workers_at_once_do_the_work_of_one(
    logs: Store, postgres: Postgres, stands: list[Stand], tenant: str, witnessing: Witnessing
) -> None:
    key = stands[0].service.signer.key
    ours = witnessing(stands[0])
    async with Store.open(postgres.worker_url) as other, stands[0].serving():
        workers = [ours, replace(ours, store=other)]
        with structlog.testing.capture_logs() as logged:
            for size in (2, 4, 6):
                await append(logs, tenant, 2)
                await asyncio.gather(*(each.run_round() for each in workers))
                assert await signed_by(logs, tenant, size, [key]) == {key}
        assert refusals(logged) == []


async def test_only_one_worker_at_a_time_submits_to_a_witness(logs: Store, postgres: Postgres) -> None:
    async with Store.open(postgres.worker_url) as other, logs.cosignatures.alone("w+1") as alone:
        assert alone
        async with other.cosignatures.alone("w+1") as second, other.cosignatures.alone("w+2") as elsewhere:
            assert (second, elsewhere) == (False, True)


async def test_a_worker_that_comes_late_with_an_old_checkpoint_does_no_harm(
    logs: Store, stands: list[Stand], tenant: str, witnessing: Witnessing
) -> None:
    await append(logs, tenant, 2)
    old = await logs.ledgers.newest(tenant)
    assert old is not None
    await append(logs, tenant, 3)
    async with stands[0].serving():
        ours = witnessing(stands[0])
        await ours.run_round()
        with structlog.testing.capture_logs() as logged:
            await ours.submit(CosignatureGap(tenant=tenant, size=2, note=old.note, cosigned=0))
    key = stands[0].service.signer.key
    assert refusals(logged) == []
    assert await signed_by(logs, tenant, 5, [key]) == {key}
    assert await signed_by(logs, tenant, 2, [key]) == set()


async def test_a_cosignature_is_requested_again_if_the_answer_was_lost(
    logs: Store, stands: list[Stand], tenant: str, witnessing: Witnessing
) -> None:
    await append(logs, tenant, 3)
    signed = await logs.ledgers.newest(tenant)
    assert signed is not None
    key = stands[0].service.signer.key
    async with stands[0].serving():
        stands[0].service.add_checkpoint(AddCheckpointRequest(old=0, path=(), note=signed.note).encode())
        await witnessing(stands[0]).run_round()
        assert await signed_by(logs, tenant, 3, [key]) == {key}
        stands[0].service.add_checkpoint(AddCheckpointRequest(old=3, path=(), note=signed.note).encode())
        await append(logs, tenant, 4)
        await witnessing(stands[0]).run_round()
        assert await signed_by(logs, tenant, 7, [key]) == {key}


async def test_a_cosignature_with_another_key_is_invalid(
    logs: Store, stands: list[Stand], tenant: str, witnessing: Witnessing
) -> None:
    await append(logs, tenant, 1)
    impostor = Signer(name="witness.example.com/w0", seed=bytes(32), algorithm=notes.COSIGNATURE)
    ours = witnessing(stands[0])
    false = replace(stands[0], service=replace(stands[0].service, signer=impostor))
    async with false.serving():
        with structlog.testing.capture_logs() as logged:
            await ours.run_round()
    ((_, _, reason),) = refusals(logged)
    assert "expected a signature of witness.example.com/w0" in reason
    assert await signed_by(logs, tenant, 1, [impostor.key, stands[0].service.signer.key]) == set()


@pytest.mark.parametrize("off", [-2 * 86_400, 2 * 86_400, 1 << 61])
async def test_a_cosignature_with_a_wrong_time_is_invalid(
    logs: Store, stands: list[Stand], tenant: str, witnessing: Witnessing, off: int
) -> None:
    await append(logs, tenant, 1)
    clock = stands[0].service.clock
    broken = replace(stands[0], service=replace(stands[0].service, clock=lambda: clock() + off))
    async with broken.serving():
        with structlog.testing.capture_logs() as logged:
            await witnessing(broken).run_round()
    ((_, _, reason),) = refusals(logged)
    assert "expected a time near" in reason
    assert await signed_by(logs, tenant, 1, [broken.service.signer.key]) == set()


async def test_an_unreachable_witness_is_logged_once_and_gets_the_newest_checkpoint_when_available_again(
    postgres: Postgres, logs: Store, signer: LedgerSigner, stands: list[Stand], tenant: str
) -> None:
    away, there = stands[:2]
    keys = [stand.service.signer.key for stand in (away, there)]
    async with AsyncExitStack() as stack:
        logged = stack.enter_context(structlog.testing.capture_logs())
        await stack.enter_async_context(there.serving())
        await append(logs, tenant, 1)
        ledger = LedgerSettings(origin=signer.prefix)
        await stack.enter_async_context(
            publisher.publishing(ledger, witness_clients([away, there]), postgres.worker_url)
        )
        async with asyncio.timeout(GENEROUS_S):
            while await signed_by(logs, tenant, 1, keys) != {keys[1]}:  # noqa: ASYNC110 - the database cannot call
                await asyncio.sleep(0.1)
            while "publishing waits" not in events(logged, away):  # noqa: ASYNC110 - the same
                await asyncio.sleep(0.1)
        await append(logs, tenant, 1)
        await stack.enter_async_context(away.serving())
        async with asyncio.timeout(GENEROUS_S):
            while await signed_by(logs, tenant, 2, keys) != set(keys):  # noqa: ASYNC110 - the same
                await asyncio.sleep(0.1)
    assert events(logged, away).count("publishing waits") == 1
    assert events(logged, away).count("publishing resumed") == 1
    assert await signed_by(logs, tenant, 1, keys) == {keys[1]}


async def test_a_checkpoint_under_another_origin_has_no_cosignatures_of_the_first(  # noqa: PLR0913, PLR0917 - fixtures
    logs: Store, owner: Owner, signer: LedgerSigner, stands: list[Stand], tenant: str, witnessing: Witnessing
) -> None:
    await append(logs, tenant, 1)
    async with stands[0].serving():
        await witnessing(stands[0]).run_round()
    signed = await logs.ledgers.newest(tenant)
    assert signed is not None
    head = checkpoint.parse(notes.parse(signed.note).text)
    moved = replace(signer, prefix=f"new.{signer.prefix}").sign(tenant, size=1, root=head.root)
    await owner.execute("UPDATE checkpoints SET note = %s WHERE tenant = %s", [moved, tenant])
    assert await logs.cosignatures.cosigned_note(tenant, 1) == moved
    assert await logs.cosignatures.cosigned_note(tenant, 2) is None


def events(logged: list[MutableMapping[str, Any]], to: Stand) -> list[str]:
    """What is said of publishing to this witness."""
    return [line["event"] for line in logged if line.get("to") == to.service.signer.key.name]


KEY, TWIN = (
    Signer(name=f"{name}.example.com", seed=bytes(32), algorithm=notes.COSIGNATURE).key.text
    for name in ("witness", "twin")
)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ([KEY[:-2] + "AA"], "ledger.witnesses.0.key: verifier key"),
        ([KEY, "witness"], "ledger.witnesses.1.key: verifier key"),
        ([Signer(name="log", seed=bytes(32)).key.text], "ledger.witnesses.0.key: log is a key of a ledger"),
        ([KEY, KEY], "ledger.witnesses: witness.example.com occurs 2 times"),
        ([KEY, TWIN], "ledger.witnesses: twin.example.com and witness.example.com have the same key"),
    ],
)
def test_a_witness_with_a_wrong_key_is_an_error_at_start(keys: list[str], problem: str) -> None:
    ledger = LedgerSettings.model_validate(
        {"witnesses": [{"url": "https://w.example.com", "key": key} for key in keys]}
    )
    with pytest.raises(InvalidConfiguration, match=problem):
        witnesses_of(ledger)


async def test_a_ledger_that_cannot_be_read_or_that_the_witness_fails_for_does_not_stop_others(
    logs: Store, owner: Owner, stands: list[Stand], witnessing: Witnessing
) -> None:
    bad, spoiled, good = (f"{letter}-{uuid.uuid4().hex[:12]}" for letter in "abc")
    more = [f"a-{uuid.uuid4().hex[:12]}" for _ in range(MAX_CONCURRENT_REQUESTS)]
    for tenant in (bad, *more, spoiled, good):
        await append(logs, tenant, 1)
    key = stands[0].service.signer.key
    app = server.create(stands[0].service)
    answer = app.asgi_handler

    async def broken_for_some(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()

        async def again() -> Any:
            return message

        if scope["type"] == ScopeType.HTTP and b"/a-" in message["body"]:  # type: ignore[typeddict-item]  # it is a request
            await send({"type": "http.response.start", "status": 500, "headers": []})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        await answer(scope, again, send)

    app.asgi_handler = broken_for_some
    ours = witnessing(stands[0])
    async with serve_app(app, stands[0].port), damaged_note(owner, spoiled):
        with suppress(Unavailable):  # if all four fail together, the witness counts as unavailable
            await ours.run_round()
        await ours.run_round()
        assert await signed_by(logs, good, 1, [key]) == {key}
        assert {bad, *more} & ours.backoffs.keys()
