"""What each kind of API key may do on every route of the OpenAPI document."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
import pytest

from conftest import GENEROUS_S, Keys, new_tenant
from examples import append_as_system, body, entry, ids
from trenova.store import Store
from trenova.store.api_keys import Role

CALLERS = (
    *("no key", "malformed key", "unknown key", "revoked key"),
    *("writer", "reader", "admin", "writer elsewhere", "reader elsewhere", "admin elsewhere", "any tenant"),
)
# Route: the status for each of CALLERS, in order. What they request belongs to the tenant of the first three keys.
EXPECTED: dict[tuple[str, str], tuple[int, ...]] = {
    ("POST", "/v1/entries"): (401, 401, 401, 401, 202, 403, 202, 422, 403, 422, 202),
    ("GET", "/v1/entries"): (401, 401, 401, 401, 403, 200, 200, 403, 403, 403, 200),
    ("GET", "/v1/entries/{entry_id}"): (401, 401, 401, 401, 403, 200, 200, 403, 404, 404, 200),
    ("GET", "/v1/batches/{batch_id}"): (401, 401, 401, 401, 200, 200, 200, 404, 404, 404, 200),
    ("GET", "/v1/dead-letters"): (401, 401, 401, 401, 403, 403, 200, 403, 403, 403, 200),
    ("GET", "/v1/dead-letters/{letter_id}"): (401, 401, 401, 401, 403, 403, 200, 403, 403, 404, 200),
    ("POST", "/v1/dead-letters/{letter_id}"): (401, 401, 401, 401, 403, 403, 200, 403, 403, 404, 200),
    ("POST", "/v1/dead-letters/{letter_id}/replay"): (401, 401, 401, 401, 403, 403, 200, 403, 403, 404, 200),
    ("POST", "/v1/dead-letters/replay"): (401, 401, 401, 401, 403, 403, 200, 403, 403, 403, 200),
    ("GET", "/v1/entries/{entry_id}/proof"): (401, 401, 401, 401, 403, 200, 200, 403, 404, 404, 200),
    ("GET", "/v1/proofs/consistency"): (401, 401, 401, 401, 403, 200, 200, 403, 403, 403, 200),
    ("GET", "/v1/log/{tenant}/checkpoint"): (401, 401, 401, 401, 403, 200, 200, 403, 403, 403, 200),
    ("GET", "/v1/log/{tenant}/tile/{place}"): (401, 401, 401, 401, 403, 200, 200, 403, 403, 403, 200),
    ("GET", "/v1/tenants/{tenant}/key"): (401, 401, 401, 401, 403, 200, 200, 403, 403, 403, 200),
    ("GET", "/metrics"): (401, 401, 401, 401, 403, 403, 403, 403, 403, 403, 200),
    ("GET", "/livez"): (200,) * len(CALLERS),
    ("GET", "/readyz"): (200,) * len(CALLERS),
}
PARAMS = {
    ("GET", "/v1/entries"): {"tenant": "{tenant}"},
    ("GET", "/v1/proofs/consistency"): {"tenant": "{tenant}", "from": "0"},
    ("GET", "/v1/dead-letters"): {"tenant": "{tenant}"},
    ("POST", "/v1/dead-letters/replay"): {"tenant": "{tenant}"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A tenant with a stored entry, and the Authorization header of every caller."""

    tenant: str
    elsewhere: str
    entry_id: str
    batch_id: str
    letters: dict[str, str]
    """A parked entry for each caller: one that edits and replays it takes it from the others."""
    headers: dict[str, dict[str, str]]


@pytest.fixture(scope="module")
async def http(api_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=api_url, timeout=GENEROUS_S, verify=False) as opened:
        yield opened


@pytest.fixture(scope="module")
async def world(http: httpx.AsyncClient, store: Store) -> World:
    tenant, elsewhere = new_tenant(), new_tenant()

    async def create(role: Role, of: str | None) -> str:
        return (await store.api_keys.create(tenant=of, role=role, name="test", by="test")).text

    roles: tuple[Role, ...] = ("writer", "reader", "admin")
    keys: dict[str, str] = {role: await create(role, tenant) for role in roles}
    keys |= {f"{role} elsewhere": await create(role, elsewhere) for role in roles}
    revoked = await store.api_keys.create(tenant=tenant, role="admin", name="test", by="test")
    await store.api_keys.revoke(revoked.id, by="test")
    keys |= {
        "any tenant": await create("admin", None),
        "malformed key": "not a key",
        "unknown key": f"trn_{'0' * 12}_{'x' * 43}",
        "revoked key": revoked.text,
    }
    headers: dict[str, dict[str, str]] = {"no key": {}}
    headers |= {caller: bearer(key) for caller, key in keys.items()}
    sent = await http.post("/v1/entries?wait=stored", json=entry(), headers=headers["writer"])
    assert sent.status_code == 201
    answer = sent.json()
    unsealed = msgspec.json.encode({"tenant": tenant, "action": 17})
    await store.entries.append(str(uuid.uuid4()), [unsealed] * len(CALLERS))
    letters = await store.dead_letters.page(tenant=tenant, limit=len(CALLERS))
    return World(
        tenant=tenant,
        elsewhere=elsewhere,
        entry_id=answer["entries"][0]["id"],
        batch_id=answer["batch_id"],
        letters={caller: str(letter.id) for caller, letter in zip(CALLERS, letters, strict=True)},
        headers=headers,
    )


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def ask(http: httpx.AsyncClient, world: World, method: str, route: str, caller: str) -> httpx.Response:
    path = route.format(
        entry_id=world.entry_id,
        batch_id=world.batch_id,
        letter_id=world.letters[caller],
        tenant=world.tenant,
        place="entries/000.p/1",
    )
    body = entry(tenant=world.tenant) if method == "POST" else None
    params = PARAMS.get((method, route), {})
    params = {name: value.format(tenant=world.tenant) for name, value in params.items()}
    async with asyncio.timeout(GENEROUS_S):
        while True:
            answer = await http.request(method, path, json=body, params=params, headers=world.headers[caller])
            # A machine that stalls is not ready for a moment, which has nothing to do with keys.
            if route != "/readyz" or answer.status_code != 503:
                return answer


async def test_every_route_of_the_openapi_document_has_a_row_here(http: httpx.AsyncClient) -> None:
    paths = (await http.get("/openapi.json")).json()["paths"]
    routes = {(method.upper(), path) for path, operations in paths.items() for method in operations}
    assert routes == EXPECTED.keys()
    assert {len(row) for row in EXPECTED.values()} == {len(CALLERS)}


@pytest.mark.parametrize(("method", "route"), EXPECTED)
@pytest.mark.parametrize("caller", CALLERS)
async def test_a_key_may_do_what_its_role_and_tenant_allow_and_nothing_else(
    http: httpx.AsyncClient, world: World, method: str, route: str, caller: str
) -> None:
    expected = EXPECTED[method, route][CALLERS.index(caller)]
    response = await ask(http, world, method, route, caller)
    assert response.status_code == expected, response.text
    if expected >= 400:
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.json()["status"] == expected
    if expected == 401:
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="trenova"'


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Basic dXNlcjpwYXNz",
        "trn_000000000000_x",
        "Bearer trn_ _",
        "Bearer é",
        "Bearer\ttrn_1_2",
    ],
)
async def test_a_header_without_a_key_is_a_401(http: httpx.AsyncClient, header: str) -> None:
    response = await http.get("/v1/entries", headers={b"Authorization": header.encode()})
    assert response.status_code == 401
    assert "Authorization: Bearer" in response.json()["hint"]


async def test_no_answer_repeats_the_key(http: httpx.AsyncClient) -> None:
    secret = "trn_0123456789ab_do-not-repeat-me"
    response = await http.get("/v1/entries", headers=bearer(secret))
    assert response.status_code == 401
    assert "do-not-repeat-me" not in response.text + str(response.headers)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/openapi.json", "/docs"])
async def test_health_and_documentation_need_no_key(http: httpx.AsyncClient, world: World, path: str) -> None:
    response = await ask(http, world, "GET", path, "no key")
    assert response.status_code == 200
    assert response.content


async def test_a_revoked_key_stops_with_the_next_request(http: httpx.AsyncClient, store: Store, tenant: str) -> None:
    key = await store.api_keys.create(tenant=tenant, role="reader", name="test", by="test")
    assert (await http.get("/v1/entries", headers=bearer(key.text))).status_code == 200
    await store.api_keys.revoke(key.id, by="test")
    assert (await http.get("/v1/entries", headers=bearer(key.text))).status_code == 401


async def list_ids(http: httpx.AsyncClient, key: dict[str, str], **params: Any) -> list[str]:
    response = await http.get("/v1/entries", headers=key, params=params)
    assert response.status_code == 200, response.text
    return [each["id"] for each in response.json()["entries"]]


@pytest.mark.parametrize("order", ["newest", "stored"])
async def test_a_list_holds_the_entries_of_the_keys_tenant_alone(
    http: httpx.AsyncClient, world: World, order: str
) -> None:
    assert await list_ids(http, world.headers["reader elsewhere"], order=order) == []
    assert world.entry_id in await list_ids(http, world.headers["reader"], order=order)
    ours, of_any = await asyncio.gather(
        list_ids(http, world.headers["reader"], order=order),
        list_ids(http, world.headers["any tenant"], order=order, tenant=world.tenant),
    )
    # Entries of other tests may be stored in between, and come first or last.
    assert set(ours) <= set(of_any) or set(of_any) <= set(ours)
    assert [each for each in ours if each in of_any] == [each for each in of_any if each in ours]


@pytest.mark.parametrize("order", ["newest", "stored"])
async def test_a_cursor_of_another_tenant_shows_nothing_of_it(
    http: httpx.AsyncClient, keys: Keys, world: World, order: str
) -> None:
    times = [f"2026-01-01T00:00:0{second}Z" for second in range(4)]
    for key in (bearer(keys.writer), world.headers["writer elsewhere"]):
        sent = await http.post("/v1/entries?wait=stored", json=[entry(occurred_at=each) for each in times], headers=key)
        assert sent.status_code == 201
    params = {"order": order, "limit": "1"}
    cursor = None
    async with asyncio.timeout(GENEROUS_S):
        while cursor is None:
            cursor = (await http.get("/v1/entries", headers=bearer(keys.reader), params=params)).json()["next_cursor"]
    response = await http.get(
        "/v1/entries", headers=world.headers["reader elsewhere"], params={"order": order, "cursor": cursor}
    )
    assert response.status_code == 200
    assert {each["tenant"] for each in response.json()["entries"]} <= {world.elsewhere}


async def test_an_accepted_batch_shows_itself_to_its_own_tenant_only(http: httpx.AsyncClient, world: World) -> None:
    """Requested at once, while the batch may not be stored yet: then Temporal's history says whose it is."""
    sent = await http.post("/v1/entries", json=entry(), headers=world.headers["writer"])
    path = f"/v1/batches/{sent.json()['batch_id']}"
    answers = await asyncio.gather(
        *(http.get(path, headers=world.headers[caller]) for caller in ("reader elsewhere", "reader", "any tenant"))
    )
    assert [answer.status_code for answer in answers] == [404, 200, 200]


async def test_a_batch_of_several_tenants_shows_each_its_own_counts(http: httpx.AsyncClient, world: World) -> None:
    body = [entry(tenant=each) for each in (world.tenant, world.elsewhere, world.elsewhere)]
    sent = await http.post("/v1/entries?wait=stored", json=body, headers=world.headers["any tenant"])
    path = f"/v1/batches/{sent.json()['batch_id']}"
    counts = {}
    for caller in ("reader", "reader elsewhere", "any tenant"):
        counts[caller] = (await http.get(path, headers=world.headers[caller])).json()["stored"]
    assert counts == {"reader": 1, "reader elsewhere": 2, "any tenant": 3}


async def test_the_tenant_of_an_entry_comes_from_the_key(http: httpx.AsyncClient, keys: Keys) -> None:
    for each in (entry(), entry(tenant=keys.tenant), entry(tenant=None)):
        sent = await http.post("/v1/entries?wait=stored", json=each, headers=bearer(keys.writer))
        found = await http.get(f"/v1/entries/{sent.json()['entries'][0]['id']}", headers=bearer(keys.reader))
        assert found.json()["tenant"] == keys.tenant


async def test_another_tenant_in_the_body_is_an_error(http: httpx.AsyncClient, keys: Keys) -> None:
    response = await http.post("/v1/entries", json=entry(tenant=new_tenant()), headers=bearer(keys.writer))
    assert response.status_code == 422
    assert [(each["index"], each["field"]) for each in response.json()["errors"]] == [(0, "/tenant")]


async def test_a_key_for_any_tenant_needs_the_entry_to_name_one(http: httpx.AsyncClient, keys: Keys) -> None:
    response = await http.post("/v1/entries", json=[entry(tenant="ok"), entry()], headers=bearer(keys.any_tenant))
    assert response.status_code == 422
    assert [(each["index"], each["field"]) for each in response.json()["errors"]] == [(1, "/tenant")]


async def test_for_one_id_in_two_tenants_a_key_for_any_tenant_must_name_one(
    http: httpx.AsyncClient, keys: Keys
) -> None:
    same, tenants = str(uuid.uuid4()), [new_tenant(), new_tenant()]
    headers = bearer(keys.any_tenant)
    body = [entry(id=same, tenant=each) for each in tenants]
    assert (await http.post("/v1/entries?wait=stored", json=body, headers=headers)).status_code == 201
    response = await http.get(f"/v1/entries/{same}", headers=headers)
    assert response.status_code == 400
    assert "tenant" in response.json()["hint"]
    for each in tenants:
        found = await http.get(f"/v1/entries/{same}", headers=headers, params={"tenant": each})
        assert found.json()["tenant"] == each


async def test_system_tenants_are_absent_from_a_list_over_all_tenants_unless_named(
    http: httpx.AsyncClient, store: Store, keys: Keys
) -> None:
    system, marker, headers = f"_{new_tenant()}", uuid.uuid4().hex, bearer(keys.any_tenant)
    stored = [body(each, comment=marker) for each in (system, keys.tenant)]
    await append_as_system(store, *stored)
    of_system, of_tenant = map(str, ids(stored))
    assert await list_ids(http, headers, q=marker) == [of_tenant]
    assert await list_ids(http, headers, q=marker, tenant=system) == [of_system]
