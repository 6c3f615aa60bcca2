"""Parked entries over HTTP: receipts and batches report them, and an operator lists, edits and replays them."""

import asyncio
import base64
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from conftest import GENEROUS_S, Keys
from examples import entry
from poison_rule import POISON, Rule, poison_rule
from trenova.dev.postgres import Postgres
from trenova.store import Store


@pytest.fixture
async def rule(postgres: Postgres) -> AsyncIterator[Rule]:
    async with poison_rule(postgres.owner_url) as made:
        yield made


def poison(**fields: Any) -> dict[str, Any]:
    return entry(id=str(uuid.uuid4()), action=POISON, **fields)


async def list_parked(api: httpx.AsyncClient, **params: Any) -> list[dict[str, Any]]:
    answer = await api.get("/v1/dead-letters", params=params)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["dead_letters"]
    return found


async def park(api: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    """The dead letter of one more parked entry."""
    sent = await api.post("/v1/entries?wait=stored", json=poison(**fields))
    assert sent.status_code == 207, sent.text
    return (await list_parked(api))[0]


async def test_the_receipts_of_a_batch_say_which_entries_are_parked_and_why(api: httpx.AsyncClient, rule: Rule) -> None:
    bad = poison()
    sent = await api.post("/v1/entries?wait=stored", json=[entry(), bad, entry()])
    assert sent.status_code == 207
    first, second, third = sent.json()["entries"]
    assert (first["state"], first["index"], third["state"], third["index"]) == ("stored", 0, "stored", 1)
    assert second.keys() == {"id", "state", "reason"}
    assert (second["id"], second["state"]) == (bad["id"], "parked")
    assert second["reason"] == "a rule of the database rejects this entry (23514)"
    batch = (await api.get(f"/v1/batches/{sent.json()['batch_id']}")).json()
    assert (batch["state"], batch["entries"], batch["stored"], batch["parked"]) == ("stored", 3, 2, 1)
    assert (await api.get(f"/v1/entries/{bad['id']}")).status_code == 404
    (letter,) = await list_parked(api)
    assert (letter["entry_id"], letter["ordinal"], letter["code"]) == (bad["id"], 1, "23514")
    assert rule.name in letter["reason"]
    assert "body" not in letter


async def test_a_batch_of_which_nothing_could_be_stored_is_parked(api: httpx.AsyncClient, rule: Rule) -> None:
    sent = await api.post("/v1/entries?wait=stored", json=poison())
    assert (sent.status_code, [each["state"] for each in sent.json()["entries"]]) == (207, ["parked"])
    batch = (await api.get(f"/v1/batches/{sent.json()['batch_id']}")).json()
    assert (batch["state"], batch["entries"], batch["stored"], batch["parked"]) == ("parked", 1, 0, 1)


async def test_a_parked_entry_is_reported_for_every_form_of_a_request(api: httpx.AsyncClient, rule: Rule) -> None:
    lines = b"\n".join(json.dumps(each).encode() for each in (entry(), poison(), {"no": "entry"}))
    typed = {"Content-Type": "application/x-ndjson"}
    sent = await api.post("/v1/entries?wait=stored&partial=true", content=lines, headers=typed)
    assert sent.status_code == 207, sent.text
    assert [each["state"] for each in sent.json()["entries"]] == ["stored", "parked"]
    assert {each["index"] for each in sent.json()["errors"]} == {2}


async def test_a_parked_entry_that_is_sent_again_is_parked_until_its_rule_is_lifted(
    api: httpx.AsyncClient, rule: Rule
) -> None:
    bad = poison()
    for _ in range(2):
        assert (await api.post("/v1/entries?wait=stored", json=bad)).status_code == 207
    await rule.lift()
    sent = await api.post("/v1/entries?wait=stored", json=bad)
    assert (sent.status_code, sent.json()["entries"][0]["state"]) == (201, "stored")


async def test_a_request_in_several_batches_is_parked_where_one_of_its_entries_is(
    api: httpx.AsyncClient, rule: Rule
) -> None:
    many = [*(entry() for _ in range(2_500)), poison()]
    sent = await api.post("/v1/entries?wait=stored", json=many)
    assert sent.status_code == 207, sent.text
    answered = sent.json()["entries"]
    assert len({each["batch_id"] for each in answered}) > 1
    assert [each["state"] for each in answered] == ["stored"] * 2_500 + ["parked"]


async def test_without_wait_no_request_waits_for_a_parked_entry(api: httpx.AsyncClient, rule: Rule) -> None:
    sent = await api.post("/v1/entries", json=poison())
    assert (sent.status_code, sent.json()["entries"][0]["state"]) == (202, "accepted")


async def test_a_replay_stores_what_the_database_no_longer_rejects(
    api: httpx.AsyncClient, keys: Keys, rule: Rule
) -> None:
    letter = await park(api)
    again = (await api.post(f"/v1/dead-letters/{letter['id']}/replay")).json()
    assert (again["state"], again["attempts"]) == ("parked", 2)
    assert again["next_try_at"] > letter["next_try_at"]
    await rule.lift()
    done = (await api.post(f"/v1/dead-letters/{letter['id']}/replay")).json()
    assert (done["state"], done["attempts"]) == ("stored", 3)
    assert done["stored_at"] is not None
    stored = await api.get(f"/v1/entries/{letter['entry_id']}")
    assert stored.json()["action"] == POISON
    assert await list_parked(api) == []
    assert [each["id"] for each in await list_parked(api, state="stored")] == [letter["id"]]


async def test_all_dead_letters_of_a_tenant_are_replayed_in_one_call(
    api: httpx.AsyncClient, keys: Keys, rule: Rule
) -> None:
    await api.post("/v1/entries?wait=stored", json=[poison() for _ in range(120)])
    await rule.lift()
    done = (await api.post("/v1/dead-letters/replay")).json()
    assert done["due"] == 120
    assert await list_parked(api) == []
    nothing = (await api.post("/v1/dead-letters/replay")).json()
    assert nothing == {"due": 0, "tried": 0, "stored": 0, "parked": 0}


async def test_an_edit_is_checked_stored_and_recorded_as_an_audit_entry(
    api: httpx.AsyncClient, keys: Keys, rule: Rule
) -> None:
    letter = await park(api, comment="as it was")
    shown = (await api.get(f"/v1/dead-letters/{letter['id']}")).json()
    body = json.loads(base64.b64decode(shown["body"]))
    assert (body["comment"], body["tenant"]) == ("as it was", keys.tenant)
    mended = {**body, "action": "poison.taken_out"}
    edited = await api.post(f"/v1/dead-letters/{letter['id']}", json=mended)
    assert edited.status_code == 200, edited.text
    assert edited.json()["edited_by"]
    done = (await api.post(f"/v1/dead-letters/{letter['id']}/replay")).json()
    assert done["state"] == "stored"
    stored = (await api.get(f"/v1/entries/{letter['entry_id']}")).json()
    assert (stored["action"], stored["comment"]) == ("poison.taken_out", "as it was")

    async def record() -> list[dict[str, Any]]:
        found = await api.get("/v1/entries", params={"action": "dead_letter.edit"})
        entries: list[dict[str, Any]] = found.json()["entries"]
        return entries

    async with asyncio.timeout(GENEROUS_S):
        while not (records := await record()):  # noqa: ASYNC110 - the workers store it
            await asyncio.sleep(0.1)
    (made,) = records
    assert made["target"] == {"id": letter["id"], "type": "dead_letter"}
    assert made["metadata"]["entry_id"] == letter["entry_id"]
    assert made["actor"] == {"id": edited.json()["edited_by"], "type": "api_key"}
    assert (await api.post(f"/v1/dead-letters/{letter['id']}", json=mended)).status_code == 404


async def test_an_edit_without_an_id_keeps_that_of_the_dead_letter(api: httpx.AsyncClient, rule: Rule) -> None:
    letter = await park(api)
    kept = (await api.post(f"/v1/dead-letters/{letter['id']}", json=entry())).json()
    assert kept["entry_id"] == letter["entry_id"]
    other = str(uuid.uuid4())
    changed = (await api.post(f"/v1/dead-letters/{letter['id']}", json=entry(id=other))).json()
    assert changed["entry_id"] == other


@pytest.mark.parametrize(
    ("content", "status"),
    [
        pytest.param(b"", 400, id="nothing"),
        pytest.param(b"[]", 400, id="an array"),
        pytest.param(b"{", 400, id="half an object"),
        pytest.param(b"\xff", 400, id="no text"),
        pytest.param(b"{}", 422, id="no entry"),
        pytest.param(json.dumps(entry(tenant="somebody-else")).encode(), 422, id="of another tenant"),
        pytest.param(json.dumps(entry(surprise=1)).encode(), 422, id="an unknown field"),
    ],
)
async def test_an_edit_that_is_not_an_entry_is_an_error_and_changes_nothing(
    api: httpx.AsyncClient, rule: Rule, content: bytes, status: int
) -> None:
    letter = await park(api)
    answer = await api.post(f"/v1/dead-letters/{letter['id']}", content=content)
    assert answer.status_code == status, answer.text
    assert await list_parked(api) == [letter]


async def test_the_list_is_paged_newest_first_with_bodies_on_request(api: httpx.AsyncClient, rule: Rule) -> None:
    sent = [poison() for _ in range(7)]
    await api.post("/v1/entries?wait=stored", json=sent)
    seen, cursor = [], None
    while True:
        params = {"limit": 3, "bodies": True} | ({"cursor": cursor} if cursor else {})
        page = (await api.get("/v1/dead-letters", params=params)).json()
        seen += page["dead_letters"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted((each["entry_id"] for each in seen), key=str) == sorted(each["id"] for each in sent)
    assert [each["id"] for each in seen] == sorted((each["id"] for each in seen), reverse=True)
    for each in seen:
        assert json.loads(base64.b64decode(each["body"]))["id"] == each["entry_id"]


@pytest.mark.parametrize(
    "params", [{"cursor": "x"}, {"state": "lost"}, {"limit": 0}, {"limit": 101}, {"q": "x"}], ids=str
)
async def test_unknown_parameters_are_an_error(api: httpx.AsyncClient, params: dict[str, Any]) -> None:
    assert (await api.get("/v1/dead-letters", params=params)).status_code == 400


async def test_metrics_count_what_is_parked(api_url: str, api: httpx.AsyncClient, keys: Keys, rule: Rule) -> None:
    async def gauge() -> float:
        async with httpx.AsyncClient(base_url=api_url, timeout=GENEROUS_S, verify=False) as http:
            page = await http.get("/metrics", headers={"Authorization": f"Bearer {keys.any_tenant}"})
        (line,) = (line for line in page.text.splitlines() if line.startswith("trenova_entries_parked "))
        return float(line.split()[1])

    before = await gauge()
    await park(api)
    assert await gauge() == before + 1


async def test_an_operator_of_all_tenants_sees_and_edits_a_dead_letter_without_a_tenant(
    api_url: str, keys: Keys, store: Store, tenant: str
) -> None:
    name = str(uuid.uuid4())
    await store.entries.append(name, [b'{"hello":"world"}'])
    async with httpx.AsyncClient(base_url=api_url, timeout=GENEROUS_S, verify=False) as http:
        operator = {"Authorization": f"Bearer {keys.any_tenant}"}
        found = (await http.get("/v1/dead-letters", headers=operator)).json()["dead_letters"]
        (letter,) = (each for each in found if each["batch_id"] == name)
        assert letter.keys().isdisjoint({"tenant", "entry_id"})
        place = f"/v1/dead-letters/{letter['id']}"
        admin = {"Authorization": f"Bearer {keys.admin}"}
        assert (await http.get(place, headers=admin)).status_code == 404
        unnamed = await http.post(place, json=entry(), headers=operator)
        assert unnamed.status_code == 422
        edited = await http.post(place, json=entry(tenant=tenant), headers=operator)
        assert edited.json()["tenant"] == tenant
        done = await http.post(f"{place}/replay", headers=operator)
        assert done.json()["state"] == "stored"
