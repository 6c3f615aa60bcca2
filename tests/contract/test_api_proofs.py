"""Proofs over HTTP, each checked by the verifier and, as a receipt, by the lines of docs/proofs.md."""

import re
import uuid
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any, LiteralString

import httpx
import psycopg
import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from conftest import Keys, new_tenant
from contract.store.ledger_check import REMOVE, past_triggers
from contract.store.sparse_ledger import sparse_ledger
from examples import SIGNER, bodies, entry, ids
from trenova.ledger import hashing, receipt, signing, verify
from trenova.ledger.checkpoint import Checkpoint
from trenova.store import Store

Owner = psycopg.AsyncConnection[tuple[Any, ...]]
TEN_MILLION = 10_000_000
PAGE = Path(__file__).parents[2] / "docs" / "proofs.md"


async def send(api: httpx.AsyncClient, sent: Any, **headers: str) -> list[dict[str, Any]]:
    response = await api.post("/v1/entries", json=sent, params={"wait": "stored"}, headers=headers)
    assert response.status_code == 201, response.text
    entries: list[dict[str, Any]] = response.json()["entries"]
    return entries


def check(proof: dict[str, Any], tenant: str, body: bytes | None = None) -> None:
    """Check that the proof holds and, if a body is given, that it proves exactly these bytes."""
    note = proof["checkpoint"].encode()
    origin = f"{SIGNER.prefix}/{tenant}"
    head = verify.signed_checkpoint(note, origin=origin, keys=SIGNER.keys(tenant), check=signing.check)
    assert head.size == proof["tree_size"]
    leaf = b64decode(proof["leaf_hash"])
    path = [b64decode(each) for each in proof["proof"]]
    verify.inclusion(leaf_hash=leaf, index=proof["index"], size=head.size, path=path, root=head.root)
    if body is not None:
        assert leaf == hashing.leaf(hashing.commitment(b64decode(proof["salt"]), body))


def by_hand(text: bytes, body: bytes, tenant: str) -> None:
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    (key,) = SIGNER.keys(tenant)
    exec(found[1], {"receipt": text, "body": body, "key": key.text})


async def test_stored_entries_are_answered_with_their_receipts(api: httpx.AsyncClient, keys: Keys) -> None:
    for count in (1, 1, 300, 150):
        states = await send(api, [entry(comment=str(number)) for number in range(count)])
        for number in {0, 1, count // 2, count - 1} & set(range(count)):
            body = (await api.get(f"/v1/entries/{states[number]['id']}")).content
            check(states[number], keys.tenant, body)
        for state in states:
            check(state, keys.tenant)
        assert len({state["checkpoint"] for state in states}) == 1


async def test_one_request_may_hold_entries_of_several_logs(api: httpx.AsyncClient, keys: Keys) -> None:
    tenants = [new_tenant() for _ in range(3)]
    sent = [entry(tenant=tenant) for tenant in tenants * 2]
    states = await send(api, sent, Authorization=f"Bearer {keys.any_tenant}")
    for state, tenant in zip(states, tenants * 2, strict=True):
        check(state, tenant)
        assert state["tree_size"] == 2


async def test_a_duplicate_gets_the_receipt_of_the_first(api: httpx.AsyncClient, keys: Keys) -> None:
    sent = entry(id=str(uuid.uuid4()))
    (first,) = await send(api, sent)
    (again, _) = await send(api, [sent, entry()])
    body = (await api.get(f"/v1/entries/{first['id']}")).content
    check(first, keys.tenant, body)
    check(again, keys.tenant, body)
    assert (again["duplicate"], first["tree_size"], again["tree_size"]) == (True, 1, 2)


async def test_the_sender_of_another_body_does_not_get_the_salt(api: httpx.AsyncClient, keys: Keys) -> None:
    """With the salt, the sender could guess at the stored content offline."""
    sent = entry(id=str(uuid.uuid4()))
    await send(api, sent)
    (other,) = await send(api, {**sent, "comment": "another"})
    assert other["body_differs"]
    assert "salt" not in other
    check(other, keys.tenant)


async def test_a_stored_entry_is_proved_as_of_the_newest_checkpoint(api: httpx.AsyncClient, keys: Keys) -> None:
    (first,) = await send(api, entry())
    await send(api, [entry() for _ in range(299)])
    proof = (await api.get(f"/v1/entries/{first['id']}/proof")).json()
    assert proof.keys() == {"index", "salt", "leaf_hash", "tree_size", "proof", "checkpoint"}
    assert (proof["index"], proof["tree_size"]) == (0, 300)
    assert {name: proof[name] for name in ("salt", "leaf_hash")} == {
        name: first[name] for name in ("salt", "leaf_hash")
    }
    check(proof, keys.tenant, (await api.get(f"/v1/entries/{first['id']}")).content)


async def test_a_receipt_is_checked_by_the_verifier_and_by_hand(api: httpx.AsyncClient, keys: Keys) -> None:
    states = await send(api, [entry() for _ in range(5)])
    for state in states:
        body = (await api.get(f"/v1/entries/{state['id']}")).content
        asked = await api.get(f"/v1/entries/{state['id']}/proof", headers={"Accept": "text/plain"})
        named = await api.get(f"/v1/entries/{state['id']}/proof?format=tlog-proof")
        assert asked.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert asked.content == named.content
        keys_of_log = SIGNER.keys(keys.tenant)
        origin = f"{SIGNER.prefix}/{keys.tenant}"
        receipt.check(receipt.parse(asked.content), body=body, origin=origin, keys=keys_of_log, check=signing.check)
        by_hand(asked.content, body, keys.tenant)
        with pytest.raises(ValueError, match="does not hold"):
            by_hand(asked.content, body.replace(b"u-1", b"u-2"), keys.tenant)


@pytest.mark.parametrize(
    ("accept", "query", "kind"),
    [
        ("*/*", "", "application/json"),
        ("application/json", "", "application/json"),
        ("text/html,*/*;q=0.8", "", "application/json"),
        ("text/plain, application/json;q=0.5", "", "text/plain; charset=utf-8"),
        ("text/plain", "?format=json", "application/json"),
        ("application/json", "?format=tlog-proof", "text/plain; charset=utf-8"),
        ("image/png", "", "application/json"),
    ],
)
async def test_the_requested_format_is_returned(api: httpx.AsyncClient, accept: str, query: str, kind: str) -> None:
    (state,) = await send(api, entry())
    response = await api.get(f"/v1/entries/{state['id']}/proof{query}", headers={"Accept": accept})
    assert response.headers["Content-Type"] == kind


async def test_what_is_not_stored_is_not_proved(api: httpx.AsyncClient) -> None:
    response = await api.get(f"/v1/entries/{uuid.uuid4()}/proof")
    assert response.status_code == 404
    assert response.json()["detail"] == "no stored entry with this id"


async def test_a_removed_body_is_gone_and_its_place_is_still_proved(
    api: httpx.AsyncClient, keys: Keys, owner: Owner
) -> None:
    sent = [entry(id=str(uuid.uuid4())) for _ in range(3)]
    before = await send(api, sent)
    await past_triggers(owner, REMOVE + "index = 1", keys.tenant)
    path = f"/v1/entries/{before[1]['id']}"
    gone = await api.get(path)
    assert (gone.status_code, gone.json()["title"]) == (410, "Removed")
    listed = (await api.get("/v1/entries")).json()["entries"]
    assert {each["id"] for each in listed} == {sent[0]["id"], sent[2]["id"]}
    proof = (await api.get(f"{path}/proof")).json()
    assert "salt" not in proof
    assert proof["leaf_hash"] == before[1]["leaf_hash"]
    check(proof, keys.tenant)
    assert receipt.parse((await api.get(f"{path}/proof?format=tlog-proof")).content).salt is None
    again = (await send(api, sent))[1]
    assert again["duplicate"]
    assert again.keys().isdisjoint({"salt", "body_differs"})
    check(again, keys.tenant)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE tiles SET hashes = sha256('') || substring(hashes FROM 33) WHERE tenant = %s",
        "UPDATE entries SET commitment = sha256('') WHERE tenant = %s AND index = 1",
        "DELETE FROM tiles WHERE tenant = %s",
    ],
)
async def test_a_proof_that_does_not_hold_is_never_returned(
    api: httpx.AsyncClient, store: Store, keys: Keys, owner: Owner, damage: LiteralString
) -> None:
    sent = bodies(keys.tenant, 3)
    await store.entries.append(str(uuid.uuid4()), sent)
    await past_triggers(owner, damage, keys.tenant)
    id_ = ids(sent)[1]
    with capture_logs([merge_contextvars]) as logged:
        response = await api.get(f"/v1/entries/{id_}/proof")
    assert response.status_code == 500
    assert response.json()["detail"].startswith("the stored ledger contradicts itself")
    (logged_line,) = [line for line in logged if line["request_id"] == response.json()["request_id"]]
    assert logged_line["error"].startswith(f"the ledger of {keys.tenant} cannot be proved: ")
    (again,) = await send(api, entry(id=str(id_)))
    assert (again["state"], again["index"], again["duplicate"]) == ("stored", 1, True)
    assert again.keys().isdisjoint({"proof", "tree_size", "checkpoint"})


async def test_a_log_that_no_worker_has_signed_yet_is_a_503(
    api: httpx.AsyncClient, store: Store, keys: Keys, owner: Owner
) -> None:
    sent = bodies(keys.tenant, 1)
    await store.entries.append(str(uuid.uuid4()), sent)
    await past_triggers(owner, "DELETE FROM checkpoints WHERE tenant = %s", keys.tenant)
    response = await api.get(f"/v1/entries/{ids(sent)[0]}/proof")
    assert response.status_code == 503
    assert "signed yet" in response.json()["detail"]


async def test_an_older_log_is_proved_to_be_the_beginning_of_a_newer_one(
    api: httpx.AsyncClient, store: Store, keys: Keys
) -> None:
    ends, origin, of_log = [1, 2, 255, 256, 257, 600], f"{SIGNER.prefix}/{keys.tenant}", SIGNER.keys(keys.tenant)
    for start, end in zip([0, *ends], ends, strict=False):
        await store.entries.append(str(uuid.uuid4()), bodies(keys.tenant, end - start))

    async def head(size: int) -> Checkpoint:
        signed = await store.ledgers.at(keys.tenant, size)
        assert signed is not None
        return verify.signed_checkpoint(signed.note, origin=origin, keys=of_log, check=signing.check)

    for old, new in [(old, new) for old in ends for new in ends if old <= new]:
        asked = {"from": str(old)} | ({"to": str(new)} if new != 600 else {})
        answer = (await api.get("/v1/proofs/consistency", params=asked)).json()
        assert (answer["from"], answer["to"]) == (old, new)
        note = answer["checkpoint"].encode()
        newer = verify.signed_checkpoint(note, origin=origin, keys=of_log, check=signing.check)
        path = [b64decode(each) for each in answer["proof"]]
        older = await head(old)
        verify.consistency(size=old, root=older.root, new_size=newer.size, new_root=newer.root, path=path)
    between = (await api.get("/v1/proofs/consistency", params={"from": "0", "to": "100"})).json()
    assert between == {"from": 0, "to": 100, "proof": []}


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("from=3&to=2", "a log of size 2 cannot begin with one of size 3"),
        ("from=1&to=5", "the log has 4 entries"),
        ("from=5", "cannot begin with one of size 5"),
        ("from=-1", "from"),
        ("from=x", "from"),
        ("to=3", "from"),
        (f"from={1 << 63}", "from"),
        ("from=0&size=3", "unknown query parameter 'size'"),
    ],
)
async def test_sizes_that_the_log_never_had_are_an_error(
    api: httpx.AsyncClient, store: Store, keys: Keys, query: str, detail: str
) -> None:
    await store.entries.append(str(uuid.uuid4()), bodies(keys.tenant, 4))
    response = await api.get(f"/v1/proofs/consistency?{query}")
    assert response.status_code == 400
    assert detail in response.json()["detail"]


async def test_a_consistency_proof_needs_one_existing_log(api: httpx.AsyncClient, keys: Keys) -> None:
    assert (await api.get("/v1/proofs/consistency?from=0")).status_code == 404
    anyone = {"Authorization": f"Bearer {keys.any_tenant}"}
    response = await api.get("/v1/proofs/consistency?from=0", headers=anyone)
    assert (response.status_code, response.json()["hint"]) == (400, "name one: ?tenant=…")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Every statement that reads a table, as the driver sends it, and the number of its rows."""
    seen: list[tuple[str, int]] = []
    execute: Callable[..., Any] = psycopg.AsyncCursor.execute

    async def record_reads(self: psycopg.AsyncCursor[Any], query: Any, *args: Any, **kwargs: Any) -> Any:
        result = await execute(self, query, *args, **kwargs)
        if "FROM" in str(query):
            seen.append((str(query), self.rowcount))
        return result

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", record_reads)
    return seen


@pytest.mark.parametrize("index", [0, 255, 4_999_999, 9_961_471, 9_961_472, 9_999_871, 9_999_999])
async def test_an_entry_among_ten_million_is_proved_with_five_reads_of_the_database(
    api: httpx.AsyncClient, keys: Keys, owner: Owner, reads: list[tuple[str, int]], index: int
) -> None:
    async with sparse_ledger(owner, keys.tenant, size=TEN_MILLION, index=index) as log:
        reads.clear()
        proof = (await api.get(f"/v1/entries/{log.id}/proof")).json()
        seen = list(reads)
    assert (proof["index"], proof["tree_size"]) == (index, TEN_MILLION)
    check(proof, keys.tenant, log.body)
    assert 3 <= len(seen) <= 5, seen
    (tiles,) = [rows for query, rows in seen if "JOIN tiles" in query]
    assert 3 <= tiles <= 5


async def test_the_number_of_queries_does_not_grow_with_the_entries(
    api: httpx.AsyncClient, keys: Keys, reads: list[tuple[str, int]]
) -> None:
    sent = [entry(id=str(uuid.uuid4())) for _ in range(500)]
    await send(api, sent)
    for count in (1, 500):
        reads.clear()
        await send(api, sent[:count])
        assert len([query for query, _ in reads if "WHERE c.tenant = asked.tenant" in query]) == 1
        assert len([query for query, _ in reads if "JOIN tiles" in query]) == 1
