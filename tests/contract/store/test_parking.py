"""Rows that the database rejects: only they are parked, with their exact bytes, and none is ever dropped."""

import json
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, LiteralString

import psycopg
import pytest

from conftest import new_tenant
from contract.store.ledger_check import past_triggers
from examples import bodies, body
from poison_rule import POISON, Rule, poison_rule
from trenova.dev.postgres import Postgres
from trenova.domain.dead_letters import RetryResult
from trenova.errors import DatabaseFault, NotFound, RowRejected
from trenova.store import Store
from trenova.store.appending.parking import PAUSE
from trenova.store.dead_letters import LONGEST_PAUSE

Owner = psycopg.AsyncConnection[tuple[Any, ...]]

MARKER = "nobody-may-read-this"


@pytest.fixture
async def rule(postgres: Postgres) -> AsyncIterator[Rule]:
    async with poison_rule(postgres.owner_url) as made:
        yield made


def poison(tenant: str, **fields: Any) -> bytes:
    return body(tenant, **{"id": str(uuid.uuid4()), "action": POISON, "comment": MARKER, **fields})


async def log(owner: Owner, tenant: str) -> list[bytes]:
    """The tenant's ledger, after checking that its indexes run from 0 without a gap up to its head."""
    found = await owner.execute("SELECT index, body FROM entries WHERE tenant = %s ORDER BY index", [tenant])
    rows = await found.fetchall()
    head = await (await owner.execute("SELECT size FROM heads WHERE tenant = %s", [tenant])).fetchone()
    assert [index for index, _ in rows] == list(range(len(rows)))
    assert (head[0] if head else 0) == len(rows)
    return [stored for _, stored in rows]


async def retry_all(store: Store, api_store: Store, tenant: str) -> RetryResult:
    """Have the tenant's letters retried now, as an operator would; returns what became of them.

    Letters that other tests have parked may be due by now and are retried with them: they are not counted.
    """
    before = {each.id: each for each in await store.dead_letters.page(tenant=tenant, limit=1000)}
    await api_store.dead_letters.make_due(tenant=tenant)
    total = RetryResult()
    while (step := await store.dead_letters.retry(7)).tried:
        total += step
    after = await store.dead_letters.page(tenant=tenant, parked=None, limit=1000)
    tried = [each for each in after if each.id in before and each.attempts > before[each.id].attempts]
    stored = [each for each in tried if each.stored_at is not None]
    ours = RetryResult(tried=len(tried), stored=len(stored), parked=len(tried) - len(stored))
    assert total.tried >= ours.tried
    return ours


@pytest.mark.parametrize("bad", [[0], [99], [17], [3, 4], [0, 50, 98, 99], list(range(100))], ids=str)
async def test_only_the_bad_rows_are_parked_and_the_others_stored_in_order(
    store: Store, owner: Owner, tenant: str, rule: Rule, bad: list[int]
) -> None:
    sent = [poison(tenant) if place in bad else good for place, good in enumerate(bodies(tenant, 100))]
    name = str(uuid.uuid4())
    result = await store.entries.append(name, sent)
    assert (result.stored, result.duplicate, result.parked) == (100 - len(bad), 0, len(bad))
    assert await log(owner, tenant) == [each for place, each in enumerate(sent) if place not in bad]
    letters = await store.dead_letters.page(tenant=tenant, limit=1000)
    assert sorted((each.ordinal, each.body) for each in letters) == [(place, sent[place]) for place in bad]
    for each in letters:
        assert (each.batch_id, each.code, each.attempts, each.stored_at) == (name, "23514", 1, None)
        assert rule.name in each.reason
        assert each.entry_id is not None
        assert each.next_try_at is not None
        assert each.next_try_at - each.parked_at == pytest.approx(PAUSE, abs=timedelta(seconds=60))


async def test_the_same_batch_again_parks_nothing_twice_and_returns_the_same_counts(
    store: Store, owner: Owner, tenant: str, rule: Rule
) -> None:
    sent, name = [*bodies(tenant, 3), poison(tenant)], str(uuid.uuid4())
    first = await store.entries.append(name, sent)
    again = await store.entries.append(name, sent)
    assert (first.stored, first.duplicate, first.parked) == (3, 0, 1)
    assert again == first
    assert len(await store.dead_letters.page(tenant=tenant, limit=10)) == 1
    assert len(await log(owner, tenant)) == 3
    (part,) = await store.batches.find(name)
    assert (part.stored, part.duplicate) == (3, 0)


async def test_a_neighbour_of_another_tenant_is_stored(store: Store, owner: Owner, rule: Rule) -> None:
    one, other = new_tenant(), new_tenant()
    result = await store.entries.append(str(uuid.uuid4()), [poison(one), *bodies(other, 2)])
    assert (result.stored, result.parked) == (2, 1)
    assert await log(owner, one) == []
    assert len(await log(owner, other)) == 2


async def test_where_the_first_entry_with_an_id_is_rejected_the_next_one_is_tried(
    store: Store, owner: Owner, tenant: str, rule: Rule
) -> None:
    same = str(uuid.uuid4())
    bad, worse, good = poison(tenant, id=same), poison(tenant, id=same, comment="again"), body(tenant, id=same)
    result = await store.entries.append(str(uuid.uuid4()), [bad, worse, good, good])
    assert (result.stored, result.duplicate, result.parked) == (1, 1, 2)
    assert await log(owner, tenant) == [good]
    letters = await store.dead_letters.page(tenant=tenant, limit=10)
    assert {letter.body for letter in letters} == {bad, worse}


@pytest.mark.parametrize(
    ("unsealed", "named"),
    [
        pytest.param(b'{"hello":"world"}', set(), id="another object"),
        pytest.param(b"", set(), id="nothing"),
        pytest.param(b"\xff\x00", set(), id="no text"),
        pytest.param(b'{"tenant":"%s","action":17}', {"tenant"}, id="with a tenant"),
        pytest.param(
            b'{"tenant":"%s","id":"3f0f0d51-9c11-4c37-8f46-0a3f2ac2fb6c"}', {"tenant", "id"}, id="with tenant and id"
        ),
    ],
)
async def test_a_body_that_is_not_an_entry_is_parked_too(
    store: Store, owner: Owner, tenant: str, unsealed: bytes, named: set[str]
) -> None:
    sent, name = unsealed.replace(b"%s", tenant.encode()), str(uuid.uuid4())
    result = await store.entries.append(name, [sent, *bodies(tenant, 1)])
    assert (result.stored, result.parked) == (1, 1)
    found = await owner.execute("SELECT id, tenant FROM dead_letters WHERE batch_id = %s", [name])
    ((id_, owned_by),) = await found.fetchall()
    letter = await store.dead_letters.find(id_, tenant=None)
    assert (letter.body, letter.code, owned_by) == (sent, "not_sealed", tenant if "tenant" in named else None)
    assert (letter.entry_id is not None) == ("id" in named)
    assert letter.reason.startswith("not a sealed entry: ")


async def test_a_batch_of_rubbish_is_parked_and_creates_no_ledger(store: Store) -> None:
    name = str(uuid.uuid4())
    result = await store.entries.append(name, [b"{}", b"[]"])
    assert (result.stored, result.duplicate, result.parked, result.heads) == (0, 0, 2, [])
    assert await store.entries.append(name, [b"{}", b"[]"]) == result
    assert await store.batches.find(name) == []


async def test_once_the_rule_is_removed_the_next_retry_stores_what_was_parked(
    store: Store, api_store: Store, owner: Owner, tenant: str, rule: Rule
) -> None:
    bad = [poison(tenant) for _ in range(20)]
    await store.entries.append(str(uuid.uuid4()), [*bad, *bodies(tenant, 1)])
    assert await retry_all(store, api_store, tenant) == RetryResult(tried=20, parked=20)
    await rule.lift()
    assert await retry_all(store, api_store, tenant) == RetryResult(tried=20, stored=20)
    assert set((await log(owner, tenant))[1:]) == set(bad)
    assert await store.dead_letters.page(tenant=tenant, limit=100) == []
    for letter in await store.dead_letters.page(tenant=tenant, parked=False, limit=100):
        assert (letter.body, letter.attempts) == (None, 3)
        assert letter.stored_at is not None
    assert await retry_all(store, api_store, tenant) == RetryResult()


async def test_the_pauses_between_retries_grow_up_to_a_day_and_retries_never_end(
    store: Store, api_store: Store, owner: Owner, tenant: str, rule: Rule
) -> None:
    await store.entries.append(str(uuid.uuid4()), [poison(tenant)])
    pauses = []
    for tries in range(12):
        assert await retry_all(store, api_store, tenant) == RetryResult(tried=1, parked=1)
        (letter,) = await store.dead_letters.page(tenant=tenant, limit=2)
        assert letter.attempts == tries + 2
        assert letter.next_try_at is not None
        pauses.append(letter.next_try_at - letter.tried_at)
    expected = [min(PAUSE * 2**tries, LONGEST_PAUSE) for tries in range(1, 13)]
    assert pauses == [pytest.approx(each, abs=timedelta(seconds=1)) for each in expected]


async def test_nothing_is_retried_before_it_is_due(store: Store, tenant: str, rule: Rule) -> None:
    await store.entries.append(str(uuid.uuid4()), [poison(tenant)])
    while (await store.dead_letters.retry(100)).tried:
        pass  # other tests' letters
    (letter,) = await store.dead_letters.page(tenant=tenant, limit=2)
    assert letter.attempts == 1


async def test_two_workers_that_retry_at_once_never_retry_the_same_letter(
    store: Store, api_store: Store, owner: Owner, tenant: str, rule: Rule
) -> None:
    await store.entries.append(str(uuid.uuid4()), [poison(tenant)])
    await api_store.dead_letters.make_due(tenant=tenant)
    async with await psycopg.AsyncConnection.connect(owner.info.dsn, password=owner.info.password) as other:
        await other.execute("SELECT FROM dead_letters WHERE tenant = %s FOR UPDATE", [tenant])
        while (await store.dead_letters.retry(100)).tried:
            pass
        (letter,) = await store.dead_letters.page(tenant=tenant, limit=2)
        assert letter.attempts == 1


async def test_an_edited_letter_is_stored_as_edited(
    store: Store, api_store: Store, owner: Owner, tenant: str, rule: Rule
) -> None:
    same = str(uuid.uuid4())
    await store.entries.append(str(uuid.uuid4()), [poison(tenant, id=same)])
    (letter,) = await store.dead_letters.page(tenant=tenant, limit=2)
    corrected = body(tenant, id=same, comment="corrected")
    key = await store.api_keys.create(tenant=tenant, role="admin", name="test", by="test")

    async def edit() -> None:
        await api_store.dead_letters.edit(
            letter.id, tenant=tenant, entry_id=uuid.UUID(same), body=corrected, edited_by=key.id
        )

    await edit()
    edited = await store.dead_letters.find(letter.id, tenant=tenant)
    assert (edited.body, edited.edited_by) == (corrected, key.id)
    sent = await (await owner.execute("SELECT sent FROM dead_letters WHERE id = %s", [letter.id])).fetchone()
    assert sent == (letter.body,)
    while (await store.dead_letters.retry(100)).tried:
        pass  # with other tests' letters
    edit_entry, stored = await log(owner, tenant)
    assert (json.loads(edit_entry)["action"], stored) == ("dead_letter.edit", corrected)
    with pytest.raises(NotFound):
        await edit()


async def test_a_letter_whose_id_is_taken_by_other_content_stays_parked(
    store: Store, api_store: Store, owner: Owner, tenant: str, rule: Rule
) -> None:
    same = str(uuid.uuid4())
    bad = poison(tenant, id=same)
    await store.entries.append(str(uuid.uuid4()), [bad])
    await store.entries.append(str(uuid.uuid4()), [body(tenant, id=same, comment="sent again, corrected")])
    await rule.lift()
    assert await retry_all(store, api_store, tenant) == RetryResult(tried=1, parked=1)
    (letter,) = await store.dead_letters.page(tenant=tenant, limit=2)
    assert (letter.code, letter.body) == ("duplicate", bad)


async def test_a_letter_whose_entry_was_sent_again_is_that_entry(
    store: Store, api_store: Store, owner: Owner, tenant: str, rule: Rule
) -> None:
    bad = poison(tenant)
    await store.entries.append(str(uuid.uuid4()), [bad])
    await rule.lift()
    later = {**json.loads(bad), **dict.fromkeys(("occurred_at", "received_at"), "2026-03-01T00:00:00Z")}
    await store.entries.append(str(uuid.uuid4()), [json.dumps(later, separators=(",", ":"), sort_keys=True).encode()])
    assert await retry_all(store, api_store, tenant) == RetryResult(tried=1, stored=1)
    assert len(await log(owner, tenant)) == 1


async def test_a_damaged_ledger_holds_up_only_its_own_letters(
    store: Store, api_store: Store, owner: Owner, tenant: str, rule: Rule
) -> None:
    damaged, sent, others = new_tenant(), str(uuid.uuid4()), [poison(tenant) for _ in range(9)]
    await store.entries.append(str(uuid.uuid4()), bodies(damaged, 2))
    await store.entries.append(sent, [*others[:4], poison(damaged), *others[4:]])
    await rule.lift()
    await past_triggers(owner, "UPDATE heads SET size = 1 WHERE tenant = %s", damaged)
    try:
        await api_store.dead_letters.make_due(tenant=damaged)
        assert await retry_all(store, api_store, tenant) == RetryResult(tried=9, stored=9)
        (letter,) = await store.dead_letters.page(tenant=damaged, limit=2)
        assert (letter.code, letter.attempts) == ("database", 2)
        assert letter.reason == "two rows have one key of the table entries (entries_by_index)"
        assert letter.next_try_at is not None
        assert letter.next_try_at - letter.tried_at == pytest.approx(PAUSE, abs=timedelta(seconds=60))
    finally:
        await past_triggers(owner, "UPDATE heads SET size = 2 WHERE tenant = %s", damaged)
    assert await retry_all(store, api_store, damaged) == RetryResult(tried=1, stored=1)
    assert len(await log(owner, damaged)) == 3


async def test_a_letter_that_the_database_does_not_let_us_settle_holds_up_no_others(
    store: Store, api_store: Store, owner: Owner, tenant: str, rule: Rule
) -> None:
    """Its row was changed to name another entry than its body."""
    name = str(uuid.uuid4())
    await store.entries.append(name, [poison(tenant) for _ in range(6)])
    await rule.lift()
    change: LiteralString = "UPDATE dead_letters SET entry_id = gen_random_uuid() WHERE tenant = %s AND ordinal = 3"
    await past_triggers(owner, change, tenant)
    assert await retry_all(store, api_store, tenant) == RetryResult(tried=6, stored=5, parked=1)
    (letter,) = await store.dead_letters.page(tenant=tenant, limit=2)
    assert (letter.ordinal, letter.code, letter.attempts) == (3, "database", 2)
    assert f"settling the dead letter {letter.id} without its entry in the log is refused" in letter.reason
    assert len(await log(owner, tenant)) == 5


async def test_a_letter_of_another_tenant_is_not_found(store: Store, tenant: str, rule: Rule) -> None:
    await store.entries.append(str(uuid.uuid4()), [poison(tenant)])
    (letter,) = await store.dead_letters.page(tenant=tenant, limit=2)
    with pytest.raises(NotFound):
        await store.dead_letters.find(letter.id, tenant=new_tenant())
    assert await store.dead_letters.page(tenant=new_tenant(), limit=2) == []


async def test_the_content_of_a_rejected_entry_is_in_no_message(store: Store, tenant: str, rule: Rule) -> None:
    await store.entries.append(str(uuid.uuid4()), [poison(tenant)])
    (letter,) = await store.dead_letters.page(tenant=tenant, limit=2)
    assert MARKER not in repr(letter)
    assert MARKER not in letter.reason
    error = RowRejected(code="23514", reason=MARKER)
    assert MARKER not in f"{error} {error.message} {error.hint}"


async def test_a_missing_right_parks_nothing(store: Store, owner: Owner, tenant: str) -> None:
    await owner.execute("REVOKE INSERT ON entries FROM trenova_worker")
    try:
        with pytest.raises(DatabaseFault, match="permission denied"):
            await store.entries.append(str(uuid.uuid4()), bodies(tenant, 2))
    finally:
        await owner.execute("GRANT INSERT ON entries TO trenova_worker")
    assert await store.dead_letters.page(tenant=tenant, limit=2) == []
