"""Which routes answer without an API key: those that are declared public here and in their `opt`, and no other."""

import re
import uuid
from collections.abc import Iterator
from typing import Any, cast
from unittest.mock import AsyncMock, MagicMock

import httpx
import pytest
from litestar import Litestar, get
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from trenova.api import app
from trenova.api.auth import ACCESS, PUBLIC
from trenova.api.codec import remote_codec
from trenova.api.key_lookups import KeyLookups
from trenova.api.ledger_keys import LedgerKeys
from trenova.config import SecuritySettings, Settings
from trenova.keys.keyring import Keyring
from trenova.store.api_keys import ApiKey, Role

PUBLIC_ROUTES = {
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/docs/{path:str}"),
    ("GET", "/docs/openapi.json"),
    ("GET", "/docs/oauth2-redirect.html"),
    ("GET", "/docs-assets/{file_path:path}"),
    ("HEAD", "/docs-assets/{file_path:path}"),
    # The page on which a user types an API key. It accepts forms from its own origin only.
    ("GET", "/codec/sign-in"),
    ("POST", "/codec/sign-in"),
    ("POST", "/codec/sign-out"),
    # A browser sends a preflight without a key before a page may call.
    ("OPTIONS", "/codec/encode"),
    ("OPTIONS", "/codec/decode"),
    ("OPTIONS", "/codec/{namespace:str}/encode"),
    ("OPTIONS", "/codec/{namespace:str}/decode"),
}
LEDGER_ROUTES = {
    ("GET", "/v1/log/{tenant:str}/checkpoint"),
    ("GET", "/v1/log/{tenant:str}/tile/{place:path}"),
    ("GET", "/v1/tenants/{tenant:str}/key"),
}


def application(**api: Any) -> Litestar:
    """The API with every route that can be turned on, and nothing behind it."""
    settings = Settings.model_validate({"api": {"codec": {"enabled": True, "authorize": True}, **api}})
    remote = remote_codec(settings.api, SecuritySettings(), Keyring())
    return app.create(settings, MagicMock(), MagicMock(), LedgerKeys(prefix="audit.example.com"), remote)


def routes(application: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    for route in application.routes:
        for handler in getattr(route, "route_handlers", []):
            assert isinstance(handler, HTTPRouteHandler), f"{route.path} is not guarded by an HTTP handler"
            yield from ((method, route.path, handler) for method in handler.http_methods)


def client_of(application: Litestar) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=cast("Any", application), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


def address(path: str, tenant: str = "acme") -> str:
    values = {"uuid": str(uuid.uuid4()), "path": "0/000.p/1"}
    return re.sub(r"\{(\w+):(\w+)\}", lambda each: tenant if each[1] == "tenant" else values.get(each[2], "x"), path)


@pytest.fixture
def find(monkeypatch: pytest.MonkeyPatch) -> AsyncMock:
    """The lookup of API keys; no key is known."""
    found = AsyncMock(return_value=None)
    monkeypatch.setattr(KeyLookups, "find", found)
    return found


async def test_a_route_that_is_not_declared_public_answers_401_without_a_key(find: AsyncMock) -> None:
    api = application()
    declared = {
        (method, path)
        for method, path, handler in routes(api)
        if handler.opt.get(ACCESS) is PUBLIC and handler.fn.__module__ != HTTPRoute.__module__
    }
    assert declared == PUBLIC_ROUTES
    async with client_of(api) as http:
        for method, path, _ in routes(api):
            if (method, path) in PUBLIC_ROUTES or method == "OPTIONS":
                continue
            answer = await http.request(method, address(path))
            assert answer.status_code == 401, (method, path, answer.text)
            assert answer.headers["WWW-Authenticate"] == 'Bearer realm="trenova"'
    find.assert_not_called()


async def test_options_without_a_key_lists_methods_and_reveals_nothing_else() -> None:
    api = application()
    async with client_of(api) as http:
        for method, path, _ in routes(api):
            if method == "OPTIONS":
                answer = await http.options(address(path))
                assert (answer.status_code, answer.content) == (204, b""), path


@pytest.mark.parametrize("role", ["writer", "reader", "admin"])
async def test_a_new_handler_without_a_declaration_admits_no_key(find: AsyncMock, role: Role) -> None:
    ran = False

    @get("/v1/new")
    async def read_secret() -> str:
        nonlocal ran
        ran = True
        return "secret"

    api = application()
    api.register(read_secret)
    find.side_effect = lambda key, **_: key_with(role) if key == "valid" else None
    async with client_of(api) as http:
        for headers, status in (
            ({}, 401),
            ({"Authorization": "Bearer x"}, 401),
            ({"Authorization": "Bearer valid"}, 403),
        ):
            answer = await http.get("/v1/new", headers=headers)
            assert answer.status_code == status
            assert "secret" not in answer.text
    assert not ran


async def test_a_request_is_authenticated_once(find: AsyncMock) -> None:
    find.return_value = key_with("reader", tenant="acme")
    async with client_of(application()) as http:
        answer = await http.get("/metrics", headers={"Authorization": "Bearer valid"})
    assert answer.status_code == 403
    find.assert_awaited_once()


async def test_public_ledgers_need_no_key_except_those_of_the_system(find: AsyncMock) -> None:
    for public, tenant, status in ((True, "acme", 404), (True, "_trenova", 401), (False, "acme", 401)):
        async with client_of(application(publicLogs=public)) as http:
            for method, path in LEDGER_ROUTES:
                # Another spelling of a path names no file: the answer is 404 before the database is asked.
                answer = await http.request(method, address(path, tenant) + "/")
                assert answer.status_code == status, (path, answer.text)


def key_with(role: Role, tenant: str | None = None) -> ApiKey:
    return MagicMock(spec=ApiKey, id="0123456789ab", role=role, tenant=tenant)
