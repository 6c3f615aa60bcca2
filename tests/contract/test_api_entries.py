"""Sending and reading entries over HTTP, through a real Temporal server and a real PostgreSQL."""

import asyncio
import json
import uuid
from typing import Any

import httpx

from conftest import GENEROUS_S, Keys
from examples import entry


async def send(api: httpx.AsyncClient, body: Any, **params: str) -> dict[str, Any]:
    response = await api.post("/v1/entries", json=body, params={"wait": "stored", **params})
    assert response.status_code == 201, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_an_entry_comes_back_with_the_bytes_that_were_sealed(api: httpx.AsyncClient, keys: Keys) -> None:
    answer = await send(api, entry(occurred_at="2026-01-31T10:00:00+02:00", metadata={"b": 1, "a": [None, 1.5]}))
    (state,) = answer["entries"]
    assert state["state"] == "stored"
    assert (state["index"], state["duplicate"]) == (0, False)
    body = (await api.get(f"/v1/entries/{state['id']}")).content
    fields = json.loads(body)
    assert fields["tenant"] == keys.tenant
    assert fields["occurred_at"] == "2026-01-31T08:00:00Z"
    assert fields["outcome"] == "success"
    assert body == json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


async def test_accepted_entries_are_stored_without_a_waiting_client(api: httpx.AsyncClient) -> None:
    response = await api.post("/v1/entries", json=[entry(), entry()])
    assert response.status_code == 202
    answer = response.json()
    assert [each["state"] for each in answer["entries"]] == ["accepted", "accepted"]
    async with asyncio.timeout(GENEROUS_S):
        while (batch := (await api.get(f"/v1/batches/{answer['batch_id']}")).json())["state"] != "stored":
            assert batch["entries"] == 2
            await asyncio.sleep(0.1)
    assert (batch["stored"], batch["duplicate"], batch["parked"]) == (2, 0, 0)
    assert batch["workflow_id"] == f"audit-batch-{answer['batch_id']}"


async def test_ndjson_a_single_object_and_an_array_are_accepted(api: httpx.AsyncClient) -> None:
    lines = "\n".join(json.dumps(entry(comment=str(number))) for number in range(3)) + "\n\n"
    response = await api.post(
        "/v1/entries?wait=stored", content=lines, headers={"Content-Type": "application/x-ndjson; charset=utf-8"}
    )
    assert response.status_code == 201, response.text
    assert [each["index"] for each in response.json()["entries"]] == [0, 1, 2]
    assert (await send(api, entry()))["entries"][0]["index"] == 3
    assert (await send(api, [entry()]))["entries"][0]["index"] == 4


async def test_a_resent_entry_is_a_duplicate_and_a_changed_one_says_so(api: httpx.AsyncClient) -> None:
    sent = entry(id=str(uuid.uuid4()))
    first = (await send(api, sent))["entries"][0]
    again = (await send(api, sent))["entries"][0]
    assert (again["duplicate"], again["body_differs"]) == (True, False)
    changed = (await send(api, {**sent, "comment": "another"}))["entries"][0]
    assert (changed["duplicate"], changed["body_differs"]) == (True, True)
    assert first["index"] == again["index"] == changed["index"]
    listed = (await api.get("/v1/entries")).json()["entries"]
    assert [each.get("comment") for each in listed] == [None]


async def test_an_entry_sent_by_many_clients_at_once_is_stored_once(api: httpx.AsyncClient) -> None:
    sent = entry(id=str(uuid.uuid4()))
    answers = await asyncio.gather(*(send(api, sent) for _ in range(12)))
    states = [answer["entries"][0] for answer in answers]
    assert [state["duplicate"] for state in states].count(False) == 1
    assert {(state["index"], state["body_differs"]) for state in states} == {(0, False)}


async def test_an_idempotency_key_makes_the_same_ids_again(api: httpx.AsyncClient) -> None:
    answers = [
        (
            await api.post("/v1/entries?wait=stored", json=[entry(), entry()], headers={"Idempotency-Key": "order 17"})
        ).json()["entries"]
        for _ in range(2)
    ]
    assert [each["id"] for each in answers[0]] == [each["id"] for each in answers[1]]
    assert [each["duplicate"] for each in answers[1]] == [True, True]


async def test_changes_are_computed_from_before_and_after(api: httpx.AsyncClient) -> None:
    before = {"status": "new", "tags": ["a", "b"], "a/b": {"~": True}}
    after = {"status": "sent", "tags": ["a"], "a/b": {"~": 1}, "by": None}
    answer = await send(api, entry(before=before, after=after))
    stored = (await api.get(f"/v1/entries/{answer['entries'][0]['id']}")).json()
    assert stored["changes"] == [
        {"path": "/a~1b/~0", "op": "replace", "before": True, "after": 1},
        {"path": "/by", "op": "add", "after": None},
        {"path": "/status", "op": "replace", "before": "new", "after": "sent"},
        {"path": "/tags/1", "op": "remove", "before": "b"},
    ]


async def test_a_request_too_large_for_one_batch_becomes_several(api: httpx.AsyncClient) -> None:
    many = [entry(comment="x" * 8000) for _ in range(400)]
    answer = await send(api, many)
    assert len(answer["entries"]) == 400
    assert len({each["batch_id"] for each in answer["entries"]}) > 1
    assert sorted(each["index"] for each in answer["entries"]) == list(range(400))


async def test_partial_accepts_the_good_entries_and_names_the_others(api: httpx.AsyncClient) -> None:
    answer = await send(api, [entry(), entry(action="Not An Action"), entry()], partial="true")
    assert len(answer["entries"]) == 2
    assert [(each["index"], each["field"]) for each in answer["errors"]] == [(1, "/action")]


async def test_pages_neither_shift_nor_repeat_while_others_write(api: httpx.AsyncClient) -> None:
    times = [f"2026-01-01T00:00:{second:02}Z" for second in range(20)]
    await send(api, [entry(occurred_at=time, comment="first") for time in times])
    seen: list[str] = []
    cursor = None
    while True:
        page = (await api.get("/v1/entries", params={"limit": 6, **({"cursor": cursor} if cursor else {})})).json()
        seen += [each["id"] for each in page["entries"] if each["comment"] == "first"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        await send(api, [entry(occurred_at="2026-01-02T00:00:00Z", comment="later")])
    assert len(seen) == len(set(seen)) == 20


async def test_the_feed_follows_without_a_gap_or_a_repetition(api: httpx.AsyncClient) -> None:
    cursor = (await api.get("/v1/entries", params={"order": "stored", "cursor": "now"})).json()["next_cursor"]
    sent = [(await send(api, entry(occurred_at="2020-01-01T00:00:00Z")))["entries"][0]["id"] for _ in range(5)]
    found: list[str] = []
    async with asyncio.timeout(GENEROUS_S):
        while len(found) < 5:
            page = (await api.get("/v1/entries", params={"order": "stored", "cursor": cursor, "limit": 2})).json()
            found += [each["id"] for each in page["entries"]]
            cursor = page["next_cursor"]
    assert found == sent
