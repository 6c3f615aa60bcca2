"""A browser session opens the codec endpoint to the Web UI: how to get it, and what it does not open."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from temporalio.client import Client

from conftest import Keys
from contract.test_api_codec import JSON, OTHER, PLAIN, UI, body, codec_serving, cors_headers
from trenova.api.key_lookups import KeyLookups
from trenova.api.sessions import COOKIE
from trenova.config import Settings
from trenova.errors import DatabaseFault, TrenovaError, Unavailable
from trenova.store import Store

CODEC = {"enabled": True, "uiOrigins": [UI]}


@pytest.fixture(scope="module")
async def api(settings: Settings, store: Store, client: Client) -> AsyncIterator[httpx.AsyncClient]:
    async with codec_serving(settings, store, client, CODEC) as http:
        yield http


def own(http: httpx.AsyncClient) -> dict[str, str]:
    """The headers that a browser sends with a form of this server's own page."""
    return {"Origin": str(http.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}


async def send(http: httpx.AsyncClient, key: str, **headers: str) -> httpx.Response:
    http.cookies.clear()
    return await http.post("/codec/sign-in", data={"key": key}, headers={**own(http), **headers})


async def cookie_of(http: httpx.AsyncClient, key: str) -> str:
    answer = await send(http, key)
    assert answer.status_code == 303, answer.text
    found = re.match(rf"{COOKIE}=([A-Za-z0-9_-]+); ", answer.headers["Set-Cookie"])
    assert found is not None
    http.cookies.clear()
    return f"{COOKIE}={found[1]}"


async def decode(http: httpx.AsyncClient, cookie: str, **headers: str) -> httpx.Response:
    headers = {"Origin": UI, "Sec-Fetch-Site": "same-site", **headers}
    return await http.post(
        "/codec/decode?preserveStorageRefs=true",
        content=body(PLAIN),
        headers={**JSON, "X-Namespace": "default", "Cookie": cookie, **headers},
    )


async def test_an_admin_key_opens_a_session_that_opens_the_endpoint(api: httpx.AsyncClient, keys: Keys) -> None:
    answer = await send(api, f" {keys.any_tenant}\n")
    assert (answer.status_code, answer.headers["Location"]) == (303, "sign-in")
    assert keys.any_tenant not in f"{answer.text}{answer.headers}"
    assert answer.headers["Set-Cookie"].endswith("; Path=/; Max-Age=1800; Secure; HttpOnly; SameSite=Strict")
    decoded = await decode(api, await cookie_of(api, keys.any_tenant))
    assert (decoded.status_code, decoded.json()) == (200, {"payloads": [PLAIN]})
    assert cors_headers(decoded)["access-control-allow-credentials"] == "true"
    assert "Set-Cookie" not in decoded.headers  # the session is recent


async def test_the_session_ends_with_its_key(api: httpx.AsyncClient, store: Store) -> None:
    key = await store.api_keys.create(tenant=None, role="admin", name="test", by="test")
    cookie = await cookie_of(api, key.text)
    assert (await decode(api, cookie)).status_code == 200
    await store.api_keys.revoke(key.id, by="test")
    ended = await decode(api, cookie)
    assert ended.status_code == 401
    # The Web UI's page must be able to read it, or it reports a lost connection.
    assert cors_headers(ended)["access-control-allow-origin"] == UI
    assert "sign in with another" in ended.json()["hint"]
    assert "Signed in" not in (await api.get("/codec/sign-in", headers={"Cookie": cookie})).text


async def test_only_an_admin_key_for_any_tenant_signs_in(api: httpx.AsyncClient, keys: Keys, store: Store) -> None:
    reader = (await store.api_keys.create(tenant=None, role="reader", name="test", by="test")).text
    for key, status in ((keys.admin, 403), (reader, 403), ("no-such-key", 401), ("trn_1_2", 401), ("", 400)):
        answer = await send(api, key)
        assert answer.status_code == status, key
        assert answer.headers["Content-Type"].startswith("text/html")
        assert "Set-Cookie" not in answer.headers
        assert 'role="alert"' in answer.text
        assert not key or key not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": OTHER},
        {"Origin": "null"},
        {"Origin": f"{UI}.evil.example.com"},
        {"Origin": UI.replace("http", "https")},
    ],
)
async def test_a_page_of_another_origin_cannot_use_a_session(
    api: httpx.AsyncClient, keys: Keys, headers: dict[str, str]
) -> None:
    answer = await decode(api, await cookie_of(api, keys.any_tenant), **headers)
    assert answer.status_code == 403
    assert cors_headers(answer) == {}


async def test_a_session_without_an_origin_or_with_a_changed_cookie_opens_nothing(
    api: httpx.AsyncClient, keys: Keys
) -> None:
    cookie = await cookie_of(api, keys.any_tenant)
    without = await api.post("/codec/decode", content=body(PLAIN), headers={**JSON, "Cookie": cookie})
    assert without.status_code == 403
    assert (await decode(api, cookie[:-1] + ("A" if cookie[-1] != "A" else "B"))).status_code == 401
    for route in ("/v1/entries", "/v1/dead-letters"):
        assert (await api.get(route, headers={"Cookie": cookie, "Origin": UI})).status_code == 401


async def test_a_key_takes_precedence_over_a_session(api: httpx.AsyncClient, keys: Keys) -> None:
    cookie = await cookie_of(api, keys.any_tenant)
    assert (await decode(api, cookie, Authorization="Bearer token-of-somebody")).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://audit.example.com"}, 303),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://audit.example.com"}, 403),
        ({"Content-Type": "application/json"}, 415),
    ],
)
async def test_the_form_is_accepted_only_from_the_page_itself_and_over_https(
    api: httpx.AsyncClient, keys: Keys, headers: dict[str, str], status: int
) -> None:
    assert (await send(api, keys.any_tenant, **headers)).status_code == status


async def test_an_older_browser_is_identified_by_its_origin(api: httpx.AsyncClient, keys: Keys) -> None:
    for origin, status in ((own(api)["Origin"], 303), ("http://127.0.0.1:1", 403), ("null", 403)):
        answer = await api.post("/codec/sign-in", data={"key": keys.any_tenant}, headers={"Origin": origin})
        assert answer.status_code == status
    assert (await api.post("/codec/sign-in", data={"key": keys.any_tenant})).status_code == 403


@pytest.mark.parametrize("origin", ["http://[", "https://a]", "http://[::1", "http://a\N{ACCOUNT OF}b", "//", "%"])
async def test_an_origin_that_is_not_a_url_is_a_403(api: httpx.AsyncClient, keys: Keys, origin: str) -> None:
    header_sets: list[dict[str, str]] = [{}, {"Sec-Fetch-Site": "same-origin"}]
    for extra in header_sets:
        for path in ("sign-in", "sign-out"):
            answer = await api.post(
                f"/codec/{path}",
                data={"key": keys.any_tenant},
                headers=httpx.Headers({"Origin": origin, **extra}, encoding="utf-8"),
            )
            assert answer.status_code == 403


async def test_an_error_page_says_when_to_try_again_and_has_the_request_id(
    api: httpx.AsyncClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, status, wait in ((Unavailable("x", retry_after_s=7), 503, "7"), (DatabaseFault("x"), 500, None)):

        async def find(*_: Any, failing: TrenovaError = error, **__: Any) -> None:
            raise failing

        monkeypatch.setattr(KeyLookups, "find", find)
        answer = await send(api, keys.any_tenant)
        assert (answer.status_code, answer.headers.get("Retry-After")) == (status, wait)
        assert answer.headers["X-Request-Id"] in answer.text
        assert answer.headers["Content-Security-Policy"]


async def test_the_page_has_no_scripts_and_is_not_cached(api: httpx.AsyncClient) -> None:
    page = await api.get("/codec/sign-in")
    assert page.status_code == 200
    assert "<script" not in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert (page.headers["Cache-Control"], page.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")


async def test_signing_out_deletes_the_cookie(api: httpx.AsyncClient, keys: Keys) -> None:
    cookie = await cookie_of(api, keys.any_tenant)
    assert "Signed in" in (await api.get("/codec/sign-in", headers={"Cookie": cookie})).text
    answer = await api.post("/codec/sign-out", headers={**own(api), "Cookie": cookie})
    assert answer.status_code == 303
    assert answer.headers["Set-Cookie"].startswith(f"{COOKIE}=; Path=/; Max-Age=0; ")
    assert (await api.post("/codec/sign-out", headers={"Origin": OTHER, "Cookie": cookie})).status_code == 403


async def test_without_authorization_there_is_no_sign_in_page(settings: Settings, store: Store, client: Client) -> None:
    for codec in (None, {"enabled": True, "authorize": False}):
        async with codec_serving(settings, store, client, codec) as http:
            assert (await http.get("/codec/sign-in")).status_code == 404
