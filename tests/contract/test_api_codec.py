"""The remote codec over HTTP: who may use it, which pages may, and what it answers."""

import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs
from temporalio.client import Client

from conftest import GENEROUS_S, Keys, serving
from trenova.api.codec import MAX_BODY_BYTES, remote_codec
from trenova.config import ApiSettings, SecuritySettings, Settings
from trenova.dev.ports import choose
from trenova.errors import InvalidConfiguration
from trenova.keys.encryption import generate_key
from trenova.keys.keyring import Keyring
from trenova.keys.loading import load_keyring
from trenova.store import Store

ON = SecuritySettings(enableEncryption=True, requireEncryption=True)
UI = "http://temporal.example.com:8233"
OTHER = "http://evil.example.com"
ROUTES = ("/codec/{way}", "/codec/default/{way}", "/codec/another-namespace/{way}")
PLAIN = {"metadata": {"encoding": b64encode(b"json/plain").decode()}, "data": b64encode(b'{"a":1}').decode()}
JSON = {"Content-Type": "application/json"}


def keyring() -> Keyring:
    return load_keyring(ON, {"TEMPORAL_ENCRYPTION_KEY": generate_key().text})


@asynccontextmanager
async def codec_serving(
    settings: Settings, store: Store, client: Client, codec: dict[str, Any] | None
) -> AsyncIterator[httpx.AsyncClient]:
    """An API with these settings of `api.codec`; None: the defaults."""
    api = ApiSettings.model_validate({"port": choose(), **({"codec": codec} if codec is not None else {})})
    settings = settings.model_copy(update={"api": api})
    async with (
        serving(settings, store, client, remote_codec(api, ON, keyring())) as url,
        httpx.AsyncClient(base_url=url, timeout=GENEROUS_S, trust_env=False, verify=False) as http,
    ):
        yield http


@pytest.fixture(scope="module")
async def authorized_http(settings: Settings, store: Store, client: Client) -> AsyncIterator[httpx.AsyncClient]:
    async with codec_serving(settings, store, client, {"enabled": True, "uiOrigins": [UI]}) as http:
        yield http


@pytest.fixture(scope="module")
async def local_http(settings: Settings, store: Store, client: Client) -> AsyncIterator[httpx.AsyncClient]:
    codec = {"enabled": True, "authorize": False, "uiOrigins": [UI, "http://localhost:8233"]}
    async with codec_serving(settings, store, client, codec) as http:
        yield http


def body(*payloads: dict[str, Any]) -> bytes:
    return json.dumps({"payloads": payloads}).encode()


async def post(http: httpx.AsyncClient, way: str, content: bytes, **headers: str) -> httpx.Response:
    return await http.post(f"/codec/{way}", content=content, headers={**JSON, **headers})


@pytest.mark.parametrize("route", ROUTES)
async def test_what_is_encoded_comes_back_as_it_was(local_http: httpx.AsyncClient, route: str) -> None:
    encoded = await local_http.post(route.format(way="encode"), content=body(PLAIN, PLAIN), headers=JSON)
    assert encoded.status_code == 200
    assert encoded.headers["Content-Type"] == "application/json"
    first, second = encoded.json()["payloads"]
    assert b64decode(first["metadata"]["encoding"]) == b"binary/encrypted"
    assert b64decode(first["metadata"]["encryption-key-id"]) == b"default"
    assert first["data"] != second["data"]
    decoded = await local_http.post(route.format(way="decode"), content=encoded.content, headers=JSON)
    assert decoded.status_code == 200
    assert decoded.json() == {"payloads": [PLAIN, PLAIN]}


async def test_plain_payloads_can_be_decoded_even_in_strict_mode(local_http: httpx.AsyncClient) -> None:
    assert (await post(local_http, "decode", body(PLAIN))).json() == {"payloads": [PLAIN]}


async def test_it_is_off_by_default(settings: Settings, store: Store, client: Client, keys: Keys) -> None:
    async with codec_serving(settings, store, client, None) as http:
        for route in ROUTES:
            for way in ("encode", "decode"):
                for method in ("POST", "OPTIONS", "GET"):
                    answer = await http.request(
                        method, route.format(way=way), headers={**JSON, "Authorization": f"Bearer {keys.any_tenant}"}
                    )
                    assert answer.status_code == 404


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("way", ["encode", "decode"])
async def test_only_an_admin_key_for_any_tenant_may_use_it(
    authorized_http: httpx.AsyncClient, store: Store, keys: Keys, route: str, way: str
) -> None:
    reader = (await store.api_keys.create(tenant=None, role="reader", name="test", by="test")).text
    writer = (await store.api_keys.create(tenant=None, role="writer", name="test", by="test")).text
    expected = [
        *((None, 401), ("unknown", 401)),
        *((keys.admin, 403), (keys.reader, 403), (keys.writer, 403), (reader, 403), (writer, 403)),
        (keys.any_tenant, 200),
    ]
    for key, status in expected:
        headers = {**JSON, **({"Authorization": f"Bearer {key}"} if key else {})}
        answer = await authorized_http.post(route.format(way=way), content=body(PLAIN), headers=headers)
        assert answer.status_code == status, answer.text
        if status != 200:
            assert 'payloads":' not in answer.text
            assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *(("127.0.0.1:8080", 200), ("127.0.0.1", 200), ("localhost", 200), ("localhost:1", 200)),
        *(("[::1]:8080", 200), ("[::1]", 200), ("127.8.9.10:80", 200)),
        *(("evil.example.com", 403), ("evil.example.com:8080", 403), ("localhost.evil.example.com", 403)),
        *(("127.0.0.1.evil.example.com:80", 403), ("10.0.0.1:80", 403), ("0.0.0.0:80", 403), ("[::]:80", 403)),
    ],
)
async def test_without_authorization_only_a_loopback_host_is_answered(
    local_http: httpx.AsyncClient, host: str, status: int
) -> None:
    """A page of another site that rebinds its name to this machine still sends its own name."""
    answer = await post(local_http, "decode", body(PLAIN), Host=host)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "example.com"])
def test_without_authorization_it_does_not_start_on_an_address_of_the_network(host: str) -> None:
    api = ApiSettings.model_validate({"host": host, "codec": {"enabled": True, "authorize": False}})
    with pytest.raises(InvalidConfiguration, match=r"api\.codec\.authorize: false given with api\.host") as caught:
        remote_codec(api, ON, keyring())
    assert "could decrypt everything" in (caught.value.hint or "")
    authorized = ApiSettings.model_validate({"host": host, "codec": {"enabled": True}})
    assert remote_codec(authorized, ON, keyring()) is not None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_without_authorization_it_starts_on_a_loopback_address(host: str) -> None:
    api = ApiSettings.model_validate({"host": host, "codec": {"enabled": True, "authorize": False}})
    assert remote_codec(api, ON, keyring()) is not None


def cors_headers(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("way", ["encode", "decode"])
async def test_a_page_of_the_web_ui_may_call_with_its_cookies(
    local_http: httpx.AsyncClient, authorized_http: httpx.AsyncClient, route: str, way: str
) -> None:
    asked = {
        "Origin": UI,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-namespace",
    }
    for http in (local_http, authorized_http):
        preflight = await http.options(route.format(way=way), headers=asked)
        assert preflight.status_code == 204
        assert preflight.content == b""
        assert cors_headers(preflight) == {
            "access-control-allow-origin": UI,
            "access-control-allow-credentials": "true",
            "access-control-allow-methods": "POST",
            "access-control-allow-headers": "content-type,x-namespace,authorization",
            "access-control-max-age": "600",
        }
        assert preflight.headers["Vary"] == "Origin"
    answer = await local_http.post(route.format(way=way), content=body(PLAIN), headers={**JSON, "Origin": UI})
    assert answer.status_code == 200
    assert cors_headers(answer) == {
        "access-control-allow-origin": UI,
        "access-control-allow-credentials": "true",
    }
    assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize("origin", [OTHER, "null", f"{UI}.evil.example.com", UI.replace("http", "https"), "*"])
async def test_a_page_of_any_other_origin_may_not(local_http: httpx.AsyncClient, origin: str) -> None:
    for route in ROUTES:
        preflight = await local_http.options(
            route.format(way="decode"), headers={"Origin": origin, "Access-Control-Request-Method": "POST"}
        )
        assert preflight.status_code == 204
        assert cors_headers(preflight) == {}
        assert preflight.headers["Vary"] == "Origin"
    with capture_logs([merge_contextvars]) as logged:
        answer = await post(local_http, "decode", body(PLAIN), Origin=origin)
    assert answer.status_code == 403
    assert cors_headers(answer) == {}
    # Only the operator learns which setting decides it.
    assert "api.codec" not in answer.text
    (line,) = [line for line in logged if line["event"] == "request denied"]
    assert "api.codec.uiOrigins" in line["note"]
    assert line["request_id"] == answer.headers["X-Request-Id"]


async def test_an_admin_key_does_not_open_it_to_a_page_of_another_origin(
    authorized_http: httpx.AsyncClient, keys: Keys
) -> None:
    headers = {"Authorization": f"Bearer {keys.any_tenant}"}
    assert (await post(authorized_http, "decode", body(PLAIN), **headers, Origin=UI)).status_code == 200
    assert (await post(authorized_http, "decode", body(PLAIN), **headers, Origin=OTHER)).status_code == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""])
async def test_a_content_type_without_a_preflight_is_an_error(local_http: httpx.AsyncClient, kind: str) -> None:
    answer = await post(local_http, "decode", body(PLAIN), **{"Content-Type": kind})
    assert answer.status_code == 415
    assert "send application/json" in answer.json()["detail"]


async def test_a_content_type_with_parameters_is_accepted(local_http: httpx.AsyncClient) -> None:
    assert (await post(local_http, "decode", body(), **{"Content-Type": "Application/JSON; charset=utf-8"})).is_success


async def test_a_body_over_the_limit_is_an_error(local_http: httpx.AsyncClient) -> None:
    large = dict(PLAIN, data=b64encode(bytes(MAX_BODY_BYTES // 4 * 3)).decode())
    for way in ("encode", "decode"):
        assert (await post(local_http, way, body(large))).status_code == 413
    fits = dict(PLAIN, data=b64encode(bytes(MAX_BODY_BYTES // 2)).decode())
    assert (await post(local_http, "decode", body(fits))).status_code == 200


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"payloads":[{"data":"%"}]}', b'{"secret-word":1}', b"\xff"])
async def test_a_body_that_is_not_payloads_is_an_error_that_does_not_repeat_it(
    local_http: httpx.AsyncClient, content: bytes
) -> None:
    for way in ("encode", "decode"):
        answer = await post(local_http, way, content)
        assert answer.status_code == 400
        assert answer.json()["detail"] == "the body is not a protobuf-JSON Payloads message"
        assert "secret-word" not in answer.text


async def test_a_payload_under_a_missing_key_comes_back_as_a_readable_text(local_http: httpx.AsyncClient) -> None:
    encoded = (await post(local_http, "encode", body(PLAIN, PLAIN))).json()["payloads"]
    encoded[0]["metadata"]["encryption-key-id"] = b64encode(b"gone").decode()
    answer = await post(local_http, "decode", body(*encoded))
    assert answer.status_code == 200
    unread, read = answer.json()["payloads"]
    assert b64decode(unread["metadata"]["encoding"]) == b"json/plain"
    assert json.loads(b64decode(unread["data"])).startswith("cannot be read: encryption key not found for ID: gone; ")
    assert read == PLAIN


async def test_get_is_a_405(local_http: httpx.AsyncClient) -> None:
    assert (await local_http.get("/codec/decode")).status_code == 405
