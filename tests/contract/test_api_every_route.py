"""Every route, with every method, in every configuration: no server errors, and every answer is described."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from temporalio.client import Client

from conftest import GENEROUS_S, Keys, serving
from examples import SIGNER, entry
from trenova import tracing
from trenova.api import app
from trenova.api.codec import remote_codec
from trenova.api.ledger_keys import public_keys_of
from trenova.api.query import QUERY
from trenova.codec.compose import data_converter_for
from trenova.codec.layered_codec import MAX_SENT_BYTES
from trenova.config import MIB, ApiSettings, SecuritySettings, Settings
from trenova.dev.ports import choose
from trenova.ingest import Spool
from trenova.keys.encryption import generate_key
from trenova.keys.keyring import Keyring
from trenova.keys.loading import load_keyring
from trenova.runtime.connection import connect
from trenova.store import Store
from trenova.tracing.opentelemetry import OpenTelemetry

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE")
JSON = {"Content-Type": "application/json"}
AT_ONCE = 8


class Configuration(NamedTuple):
    """The settings that change routes or the layers around them."""

    codec: str
    spool: bool
    public_logs: bool
    traces: bool
    encryption: bool


VALUES = (("off", "authorize", "loopback"), *[(False, True)] * 4)
# Everything off, everything on, and every combination of any two settings.
WALKED = [
    Configuration("off", spool=False, public_logs=False, traces=False, encryption=False),
    Configuration("authorize", spool=True, public_logs=True, traces=True, encryption=True),
    Configuration("loopback", spool=True, public_logs=False, traces=True, encryption=False),
    Configuration("loopback", spool=False, public_logs=True, traces=False, encryption=True),
    Configuration("off", spool=True, public_logs=True, traces=True, encryption=True),
    Configuration("authorize", spool=False, public_logs=False, traces=True, encryption=False),
    Configuration("off", spool=True, public_logs=False, traces=False, encryption=True),
    Configuration("authorize", spool=True, public_logs=True, traces=False, encryption=False),
    Configuration("off", spool=False, public_logs=True, traces=True, encryption=False),
]


def test_all_combinations_of_any_two_settings_are_tried() -> None:
    for one, other in combinations(range(len(VALUES)), 2):
        walked = {(each[one], each[other]) for each in WALKED}
        assert walked == set(product(VALUES[one], VALUES[other])), (one, other)


class Site(NamedTuple):
    """An API in one configuration."""

    http: httpx.AsyncClient
    app: Litestar
    """An application built like the one that answers."""
    configuration: Configuration


class StoredEntry(NamedTuple):
    """A stored entry."""

    tenant: str
    entry_id: str
    batch_id: str


@pytest.fixture
async def stored_entry(api: httpx.AsyncClient, keys: Keys) -> StoredEntry:
    sent = await api.post("/v1/entries?wait=stored", json=entry())
    assert sent.status_code == 201, sent.text
    return StoredEntry(keys.tenant, sent.json()["entries"][0]["id"], sent.json()["batch_id"])


class Temporal(NamedTuple):
    """A Temporal client, and the keys that decrypt its payloads."""

    client: Client
    security: SecuritySettings
    keyring: Keyring


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of which the API is built in all configurations."""

    settings: Settings
    store: Store
    plain: Temporal
    encrypted: Temporal
    traces: OpenTelemetry
    folder: Path


@pytest.fixture
async def parts(settings: Settings, api_store: Store, client: Client, tmp_path: Path) -> AsyncIterator[Parts]:
    security = SecuritySettings(enableEncryption=True)
    keyring = load_keyring(security, {"TEMPORAL_ENCRYPTION_KEY": generate_key().text})
    encrypted = data_converter_for(security, keyring, max_sent_bytes=MAX_SENT_BYTES)
    traces = OpenTelemetry("test", InMemorySpanExporter())
    yield Parts(
        settings=settings,
        store=api_store,
        plain=Temporal(client, SecuritySettings(), Keyring()),
        encrypted=Temporal(await connect(settings.temporal, encrypted), security, keyring),
        traces=traces,
        folder=tmp_path,
    )
    traces.provider.shutdown()


@asynccontextmanager
async def site_of(configuration: Configuration, parts: Parts) -> AsyncIterator[Site]:
    codec = {"enabled": configuration.codec != "off", "authorize": configuration.codec != "loopback"}
    api = ApiSettings.model_validate({"port": choose(), "publicLogs": configuration.public_logs, "codec": codec})
    telemetry = parts.settings.telemetry.model_copy(update={"traces": configuration.traces})
    settings = parts.settings.model_copy(update={"api": api, "telemetry": telemetry})
    client, security, keyring = parts.encrypted if configuration.encryption else parts.plain
    made = settings, parts.store, client
    remote = remote_codec(api, security, keyring)
    with ExitStack() as held:
        spool = held.enter_context(Spool.open(parts.folder, 8 * MIB)) if configuration.spool else None
        async with (
            serving(*made, remote, spool) as url,
            httpx.AsyncClient(base_url=url, timeout=GENEROUS_S, trust_env=False, verify=False) as http,
        ):
            same = app.create(*made, public_keys_of(SIGNER), remote, spool=spool)
            yield Site(http, same, configuration)


def handlers(application: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    for route in application.routes:
        for handler in getattr(route, "route_handlers", []):
            if isinstance(handler, HTTPRouteHandler):
                yield from ((method, route.path, handler) for method in handler.http_methods)


def addresses(application: Litestar, stored_entry: StoredEntry) -> list[str]:
    """For each route an address that exists and one that does not."""
    known = {**stored_entry._asdict(), "letter_id": str(uuid.uuid4())}
    unknown = {"tenant": "nobody", "entry_id": str(uuid.uuid4()), "batch_id": "none", "letter_id": str(uuid.uuid4())}
    rest = {"namespace": "default", "place": "0/000.p/1", "file_path": "swagger-ui.css", "path": "more"}
    queries = {path: handler.opt.get(QUERY, ()) for _, path, handler in handlers(application)}
    found = []
    for path in {route.path for route in application.routes}:
        for values in (known, unknown):
            filled = re.sub(r"\{(\w+):\w+\}", lambda name: (values | rest)[name[1]], path)  # noqa: B023 - within the turn
            found.append(filled + (f"?tenant={stored_entry.tenant}" if "tenant" in queries.get(path, ()) else ""))
    return sorted(
        {
            *found,
            "/",
            "/nowhere",
            "/docs",
            "/docs/",
            "/docs/nowhere",
            "/docs-assets/",
            "/%ff",
            "/v1/log/a%00b/checkpoint",
        }
    )


async def walk(site: Site, key: str, stored_entry: StoredEntry) -> None:
    turns = asyncio.Semaphore(AT_ONCE)

    async def ask(method: str, address: str) -> None:
        content = b"{}" if method in {"POST", "PUT"} else None
        async with turns:
            answer = await site.http.request(method, address, content=content, headers={**JSON, **bearer(key)})
        assert answer.status_code < 500, (method, address, answer.text)
        assert len(answer.headers.get_list("X-Request-Id")) == 1, (method, address)

    await asyncio.gather(*(ask(*each) for each in product(METHODS, addresses(site.app, stored_entry))))


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def check_description(site: Site) -> None:
    document = (await site.http.get("/openapi.json")).json()
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    served = {
        (method, re.sub(r":\w+}", "}", path))
        for method, path, handler in handlers(site.app)
        if handler.include_in_schema is not False and method != "OPTIONS" and not path.startswith("/docs")
    }
    assert described == served
    assert any("/codec/" in path for _, path in described) == (site.configuration.codec != "off")
    page = await site.http.get("/docs")
    assert page.status_code == 200
    assert "add_entries" in page.text
    assert ("/codec/decode" in page.text) == (site.configuration.codec != "off")


async def test_no_route_fails_in_any_configuration_and_all_are_described(
    parts: Parts, worker: None, keys: Keys, stored_entry: StoredEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for configuration in WALKED:
        with monkeypatch.context() as patched:
            patched.setattr(tracing, "current", parts.traces if configuration.traces else tracing.Tracing())
            async with site_of(configuration, parts) as site:
                await check_description(site)
                await walk(site, keys.any_tenant, stored_entry)
