"""Appending: every entry is stored once, at the next index of its tenant's ledger, however often it is sent."""

import uuid
from typing import Any

import psycopg
import pytest

from conftest import new_tenant
from examples import SIGNER, bodies, body, ids
from trenova.dev.ports import choose
from trenova.domain.batch import BatchResult
from trenova.domain.entry import SealedEntry
from trenova.errors import Unavailable
from trenova.store import Store

Owner = psycopg.AsyncConnection[tuple[Any, ...]]


async def log(owner: Owner, tenant: str) -> list[bytes]:
    """The tenant's ledger, after checking that its indexes run from 0 without a gap up to its head."""
    rows = await (
        await owner.execute("SELECT index, body FROM entries WHERE tenant = %s ORDER BY index", [tenant])
    ).fetchall()
    head = await (await owner.execute("SELECT size FROM heads WHERE tenant = %s", [tenant])).fetchone()
    assert [index for index, _ in rows] == list(range(len(rows)))
    assert (head[0] if head else 0) == len(rows)
    return [bytes(stored) for _, stored in rows]


def batch_id() -> str:
    return str(uuid.uuid4())


def sizes(result: BatchResult) -> dict[str, int]:
    return {head.tenant: head.size for head in result.heads}


async def test_entries_are_stored_in_the_order_of_the_batch_with_their_exact_bytes(
    store: Store, owner: Owner, tenant: str
) -> None:
    sent, name = bodies(tenant, 50), batch_id()
    result = await store.entries.append(name, sent)
    assert (result.batch_id, result.stored, result.duplicate, result.parked) == (name, 50, 0, 0)
    assert sizes(result) == {tenant: 50}
    assert await log(owner, tenant) == sent


async def test_the_same_batch_again_changes_nothing_and_returns_the_same_counts(
    store: Store, owner: Owner, tenant: str
) -> None:
    sent, name = bodies(tenant, 5), batch_id()
    first = await store.entries.append(name, sent)
    assert [await store.entries.append(name, sent) for _ in range(3)] == [first] * 3
    assert await log(owner, tenant) == sent
    notes = await (await owner.execute("SELECT count(*) FROM batches WHERE batch_id = %s", [name])).fetchone()
    assert notes == (1,)


async def test_overlapping_batches_store_what_they_share_once(store: Store, owner: Owner, tenant: str) -> None:
    sent = bodies(tenant, 9)
    await store.entries.append(batch_id(), sent[:6])
    result = await store.entries.append(batch_id(), sent[3:])
    assert (result.stored, result.duplicate, result.parked) == (3, 3, 0)
    assert sizes(result) == {tenant: 9}
    assert await log(owner, tenant) == sent


async def test_a_batch_of_duplicates_only_is_noted_as_such(store: Store, owner: Owner, tenant: str) -> None:
    sent, name = bodies(tenant, 3), batch_id()
    await store.entries.append(batch_id(), sent)
    for _ in range(2):
        result = await store.entries.append(name, sent)
        assert (result.stored, result.duplicate) == (0, 3)
    (part,) = await store.batches.find(name)
    assert (part.tenant, part.stored, part.duplicate) == (tenant, 0, 3)


async def test_of_two_entries_with_one_id_in_a_batch_the_first_is_stored(
    store: Store, owner: Owner, tenant: str
) -> None:
    same = str(uuid.uuid4())
    first, second = body(tenant, id=same), body(tenant, id=same, comment="second")
    other = body(tenant)
    result = await store.entries.append(batch_id(), [first, second, other, first])
    assert (result.stored, result.duplicate) == (2, 2)
    assert await log(owner, tenant) == [first, other]


async def test_the_body_that_came_first_stays_when_another_comes_under_its_id(
    store: Store, owner: Owner, tenant: str
) -> None:
    same = uuid.uuid4()
    first, other = body(tenant, id=str(same)), body(tenant, id=str(same), comment="another")
    earlier, later = batch_id(), batch_id()
    await store.entries.append(earlier, [first])
    await store.entries.append(later, [other])
    assert await log(owner, tenant) == [first]
    for name, duplicate in ((earlier, False), (later, True)):
        receipt = (await store.entries.receipts([name], [SealedEntry(id=same, tenant=tenant, body=other)]))[
            tenant, same
        ]
        assert (receipt.index, not receipt.by_this_batch, receipt.body) == (0, duplicate, first)


async def test_one_batch_may_hold_several_tenants_and_one_id_in_each(store: Store, owner: Owner) -> None:
    tenants, same, name = sorted(new_tenant() for _ in range(3)), uuid.uuid4(), batch_id()
    sent = [body(tenant, id=str(same)) for tenant in tenants]
    result = await store.entries.append(name, [*sent, body(tenants[1]), *sent])
    assert (result.stored, result.duplicate) == (4, 3)
    assert sizes(result) == dict(zip(tenants, (1, 2, 1), strict=True))
    assert [(await log(owner, tenant))[0] for tenant in tenants] == sent
    assert [part.tenant for part in await store.batches.find(name)] == tenants
    found = await store.entries.find(same, tenant=None)
    assert {tenant: leaf.body for tenant, leaf in found.items()} == dict(zip(tenants, sent, strict=True))
    assert await store.entries.find(same, tenant=tenants[1]) == {tenants[1]: found[tenants[1]]}


async def test_receipts_leave_out_what_is_not_stored(store: Store, tenant: str) -> None:
    sent = bodies(tenant, 1)
    name = batch_id()
    await store.entries.append(name, sent)
    (known,) = ids(sent)
    asked = [(tenant, known), (tenant, uuid.uuid4()), (new_tenant(), known)]
    found = await store.entries.receipts([name], [SealedEntry(id=id_, tenant=of, body=sent[0]) for of, id_ in asked])
    assert list(found) == [(tenant, known)]


async def test_a_long_body_is_not_read_for_a_short_entry_that_was_sent_under_its_id(store: Store, tenant: str) -> None:
    """Ten thousand short entries under the ids of long ones would have all of those in memory at once."""
    id_ = uuid.uuid4()
    long, short = body(tenant, id=str(id_), comment="x" * 8192), body(tenant, id=str(id_))
    await store.entries.append(batch_id(), [long])
    receipt = (await store.entries.receipts([], [SealedEntry(id=id_, tenant=tenant, body=short)]))[tenant, id_]
    assert (receipt.has_body, receipt.body) == (True, None)
    receipt = (await store.entries.receipts([], [SealedEntry(id=id_, tenant=tenant, body=long)]))[tenant, id_]
    assert (receipt.has_body, receipt.body) == (True, long)


async def test_a_batch_that_is_not_stored_is_not_found(store: Store) -> None:
    assert await store.batches.find(batch_id()) == []


def altered_body(tenant: str, old: bytes, new: bytes) -> bytes:
    whole = body(tenant, comment="here")
    assert old in whole
    return whole.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b'"action":', b'"act":', id="a field is missing"),
        pytest.param(b'"u-1"', b"17", id="a field has another type"),
        pytest.param(b'"s-1"', b'""', id="an id is empty"),
        pytest.param(b'"s-1"', b'"' + b"x" * 5000 + b'"', id="an id is too long for the index"),
        pytest.param(b'"s-1"', b'"s\\u0000"', id="an id holds U+0000"),
        pytest.param(b'"shipment.update"', b'"' + b"x" * 3000 + b'"', id="an action is too long for the index"),
        pytest.param(b'"success"', b'"perhaps"', id="an unknown outcome"),
        pytest.param(b"15.123456Z", b"15.123456", id="a time without an offset"),
        pytest.param(b'"here"', b'"\xff"', id="no UTF-8"),
        pytest.param(b'"here"', b"[" * 100_000 + b"]" * 100_000, id="nested without end"),
        pytest.param(b'"here"', b"", id="no JSON"),
        pytest.param(b'"t-', b'"t ', id="a tenant with a space"),
    ],
)
async def test_a_body_that_is_not_a_sealed_entry_is_parked_with_its_position_and_its_neighbour_stored(
    store: Store, owner: Owner, tenant: str, old: bytes, new: bytes
) -> None:
    name, bad, good = batch_id(), altered_body(tenant, old, new), body(tenant)
    result = await store.entries.append(name, [good, bad])
    assert (result.stored, result.parked) == (1, 1)
    assert await log(owner, tenant) == [good]
    parked = await owner.execute("SELECT ordinal, body, code FROM dead_letters WHERE batch_id = %s", [name])
    assert await parked.fetchall() == [(1, bad, "not_sealed")]


async def test_appending_without_a_database_says_that_it_is_unreachable_and_never_shows_the_password(
    tenant: str,
) -> None:
    async with Store.open(f"postgresql://somebody:secret-word@127.0.0.1:{choose()}/trenova", signer=SIGNER) as nowhere:
        with pytest.raises(Unavailable, match="the database is unreachable") as failure:
            await nowhere.entries.append(batch_id(), bodies(tenant, 1))
    assert failure.value.retryable
    assert "secret-word" not in f"{failure.value.message} {failure.value.hint}"
