"""Internal causes stay in the log: a client reads what happened to its request, and what to do."""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import psycopg
import pytest
from sqlalchemy.engine import make_url
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs
from structlog.typing import EventDict
from temporalio.client import Client

from conftest import GENEROUS_S, Keys, converter, serving
from examples import entry
from trenova import errors
from trenova.api.request_effects import ENTRY_EFFECTS
from trenova.client import ApiError
from trenova.config import ApiSettings, Settings
from trenova.dev.ports import choose
from trenova.dev.postgres import Postgres
from trenova.errors import Busy, RequestError, TrenovaError, Unavailable
from trenova.ingest.group import Waiter
from trenova.ingest.queue import Request
from trenova.runtime.connection import connect
from trenova.store import Store

Owner = psycopg.AsyncConnection[tuple[Any, ...]]
LOGIN, DATABASE = "secret_login", "secret_database"
ID = str(uuid.UUID(int=1))
ASKED = (
    ("POST", "/v1/entries"),
    ("POST", "/v1/entries?wait=stored"),
    ("GET", "/v1/entries"),
    ("GET", f"/v1/entries/{ID}"),
    ("GET", f"/v1/entries/{ID}/proof"),
    ("GET", "/v1/proofs/consistency?from=1"),
    ("GET", "/v1/batches/none"),
    ("GET", "/v1/dead-letters"),
    ("GET", f"/v1/dead-letters/{ID}"),
    ("POST", f"/v1/dead-letters/{ID}"),
    ("POST", f"/v1/dead-letters/{ID}/replay"),
    ("POST", "/v1/dead-letters/replay"),
    ("GET", "/v1/log/{tenant}/checkpoint"),
    ("GET", "/v1/log/{tenant}/tile/0/000"),
    ("GET", "/v1/tenants/{tenant}/key"),
    ("GET", "/metrics"),
)
# Words for operators: commands, settings, programs and folders.
OPERATORS = (
    "trenova ",
    "make ",
    "migrate",
    "psycopg",
    "SQLSTATE",
    "database.",
    "temporal.",
    "rpc",
    "localhost",
    "/tmp",
)


def kinds(of: type[TrenovaError] = TrenovaError) -> Iterator[type[TrenovaError]]:
    yield of
    for each in of.__subclasses__():
        yield from kinds(each)


def test_an_error_shows_clients_its_message_only_if_its_type_allows_it() -> None:
    assert ApiError in set(kinds())
    for kind in set(kinds()):
        error = kind.__new__(kind)
        TrenovaError.__init__(error, "at db.internal:5432", hint="run `trenova migrate`")
        shown = error.for_client == errors.ClientMessage("at db.internal:5432", "run `trenova migrate`")
        assert shown == issubclass(kind, RequestError | Busy), kind
        assert shown or "db.internal" not in str(error.for_client), kind


async def test_no_error_after_something_was_sent_says_that_nothing_was_accepted() -> None:
    for alone, effect in ((True, "nothing"), (False, "unknown")):
        waiter = Waiter(Request([]))
        waiter.fail(Unavailable("full", retry_after_s=7, hint="wait"), alone=alone)
        error = waiter.done.exception()
        assert isinstance(error, Unavailable)
        assert (error.effect, error.message, error.retry_after_s, error.hint) == (effect, "full", 7, "wait")


class Site(NamedTuple):
    http: httpx.AsyncClient
    tenant: str
    logged: list[EventDict]


@asynccontextmanager
async def site_of(settings: Settings, url: str, client: Client, keys: Keys) -> AsyncIterator[Site]:
    """An API with a given database, and its log lines."""
    settings = settings.model_copy(
        update={"api": ApiSettings.model_validate({"port": choose(), "waitStoredSeconds": 60})}
    )
    headers = {"Authorization": f"Bearer {keys.any_tenant}"}
    with capture_logs([merge_contextvars]) as logged:
        async with (
            Store.open(url, search_pool_size=2) as store,
            serving(settings, store, client) as address,
            httpx.AsyncClient(
                base_url=address, headers=headers, timeout=GENEROUS_S, trust_env=False, verify=False
            ) as http,
        ):
            yield Site(http, keys.tenant, logged)


async def failures(site: Site) -> dict[tuple[str, str], tuple[dict[str, Any], EventDict]]:
    """The problem document of every route that fails, and its line in the log."""
    found = {}
    for method, path in ASKED:
        sent = entry(tenant=site.tenant) if method == "POST" else None
        answer = await site.http.request(method, path.format(tenant=site.tenant), json=sent)
        if answer.status_code < 500:
            continue
        problem = answer.json()
        assert problem["request_id"] == answer.headers["X-Request-Id"]
        (line,) = [each for each in site.logged if each.get("request_id") == problem["request_id"]]
        assert (line["event"], line["status"]) == ("request failed", answer.status_code)
        assert [word for word in OPERATORS if word in answer.text] == []
        assert problem["hint"]
        found[method, path] = problem, line
    return found


async def test_only_the_log_has_the_address_of_an_unreachable_database(
    settings: Settings, client: Client, keys: Keys
) -> None:
    port = choose()
    async with site_of(settings, f"postgresql://{LOGIN}:x@127.0.0.1:{port}/{DATABASE}", client, keys) as site:
        found = await failures(site)
    assert found.keys() == set(ASKED)
    for problem, line in found.values():
        assert problem["status"] == 503
        for secret in (str(port), "127.0.0.1", LOGIN, DATABASE, "refused"):
            assert secret not in str(problem)
        assert f"port {port} failed: Connection refused" in line["error"]
        assert "database.url" in line["hint"]
    assert found["POST", "/v1/entries"][0]["detail"].endswith("nothing of this request was accepted")
    assert "with the same ids" in found["POST", "/v1/entries"][0]["hint"]
    assert found["GET", "/v1/entries"][0]["hint"].startswith("send the request again")


async def test_only_the_log_has_the_command_for_a_database_without_its_schema(
    settings: Settings, postgres: Postgres, client: Client, keys: Keys
) -> None:
    url = make_url(postgres.owner_url).set(database="postgres").render_as_string(hide_password=False)
    async with site_of(settings, url, client, keys) as site:
        found = await failures(site)
    assert found.keys() == set(ASKED)
    for problem, line in found.values():
        assert problem["status"] == 500
        assert "api_keys" not in str(problem)
        assert "trenova migrate" in line["hint"]


async def test_while_temporal_is_unreachable_clients_learn_the_state_of_their_entries(
    settings: Settings, postgres: Postgres, keys: Keys
) -> None:
    nowhere = f"127.0.0.1:{choose()}"
    away = await connect(settings.temporal.model_copy(update={"host_port": nowhere}), converter(), lazy=True)
    async with site_of(settings, postgres.api_url, away, keys) as site:
        found = await failures(site)
    assert {("POST", "/v1/entries"), ("GET", "/v1/batches/none")} <= found.keys()
    for problem, line in found.values():
        assert problem["status"] == 503
        assert nowhere not in str(problem)
        assert "Connection refused" in line["error"] + line.get("cause", "")
    # Nothing is sent once Temporal is known to be unreachable, which may be before the first request.
    assert found["POST", "/v1/entries"][0]["detail"].endswith(tuple(ENTRY_EFFECTS.values()))


@pytest.mark.usefixtures("worker")
async def test_entries_whose_receipts_cannot_be_read_are_still_accepted(
    settings: Settings, postgres: Postgres, client: Client, keys: Keys, owner: Owner
) -> None:
    async with site_of(settings, postgres.api_url, client, keys) as site:
        await owner.execute("REVOKE SELECT ON checkpoints FROM trenova_api")
        try:
            answer = await site.http.post("/v1/entries?wait=stored", json=entry(tenant=site.tenant))
        finally:
            await owner.execute("GRANT SELECT ON checkpoints TO trenova_api")
    assert (answer.status_code, answer.json()["entries"][0]["state"]) == (202, "accepted")
    (line,) = [each for each in site.logged if each["event"] == "receipts could not be read"]
    assert "permission denied for table checkpoints" in line["error"]
    assert line["request_id"] == answer.headers["X-Request-Id"]
