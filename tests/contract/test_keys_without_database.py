"""API keys while the database is unreachable: which are accepted, for what, and what counts as an outage."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr
from sqlalchemy.engine import make_url
from temporalio.client import Client

from conftest import GENEROUS_S, Keys, serving
from contract.lossy_proxy import LossyProxy
from databases import Database, own_database
from examples import entry
from trenova.api import key_lookups
from trenova.api.codec import remote_codec
from trenova.api.key_lookups import KeyLookups
from trenova.config import SecuritySettings, Settings
from trenova.dev.ports import choose
from trenova.dev.postgres import Postgres
from trenova.errors import DatabaseFault, Unavailable
from trenova.keys.keyring import Keyring
from trenova.store import Store

WRITING, REFUSED = 202, 503


@dataclass(slots=True, kw_only=True)
class Api:
    """An API behind a network that may lose its database."""

    network: LossyProxy
    http: httpx.AsyncClient
    settings: Settings
    url: str = field(repr=False)

    async def ask(self, key: str, method: str = "GET", path: str = "/v1/entries", **more: Any) -> httpx.Response:
        return await self.http.request(method, path, headers={"Authorization": f"Bearer {key}"}, **more)

    async def send(self, key: str, tenant: str, path: str = "/v1/entries", id_: str | None = None) -> httpx.Response:
        sent = entry(tenant=tenant, id=id_ or str(uuid.uuid4()))
        return await self.ask(key, "POST", path, json=sent)

    def lose_database(self, mode: str) -> None:
        self.network.mode = mode  # type: ignore[assignment]
        if mode == "refuse":
            self.network.cut()

    def give_database_back(self) -> None:
        self.network.mode = "pass"
        self.network.cut()

    async def until(self, key: str, status: int, path: str = "/readyz") -> httpx.Response:
        """The first answer with this status."""
        async with asyncio.timeout(GENEROUS_S):
            while (answer := await self.ask(key, path=path)).status_code != status:  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.05)
            return answer

    async def until_database_is(self, text: str) -> dict[str, Any]:
        """Wait until `/readyz` reports this about the database; returns its answer."""
        async with asyncio.timeout(GENEROUS_S):
            while True:
                parts: dict[str, Any] = (await self.http.get("/readyz")).json()
                if parts["database"].startswith(text):
                    return parts
                await asyncio.sleep(0.05)


@asynccontextmanager
async def far_api(postgres: Postgres, client: Client, settings: Settings, **of_api: Any) -> AsyncIterator[Api]:
    async with AsyncExitStack() as opened:
        network = await opened.enter_async_context(LossyProxy("127.0.0.1", postgres.port).running())
        url = make_url(postgres.api_url).set(port=network.port).render_as_string(hide_password=False)
        codec = {"enabled": True, "authorize": True}
        given = settings.model_dump(by_alias=True, exclude={"api", "database"}) | {
            "database": {"url": SecretStr(url)},
            "api": {"port": choose(), "waitStoredSeconds": GENEROUS_S, "codec": codec, **of_api},
        }
        far = Settings.model_validate(given)
        store = await opened.enter_async_context(Store.open(url, pool_size=2, search_pool_size=2))
        remote = remote_codec(far.api, SecuritySettings(), Keyring())
        address = await opened.enter_async_context(serving(far, store, client, remote))
        http = await opened.enter_async_context(httpx.AsyncClient(base_url=address, timeout=GENEROUS_S, verify=False))
        yield Api(network=network, http=http, settings=far, url=url)


@pytest.mark.parametrize("mode", ["refuse", "lose answers"])
async def test_recently_used_keys_can_send_entries_and_do_nothing_else(  # noqa: PLR0913, PLR0917 - fixtures
    mode: str, postgres: Postgres, client: Client, settings: Settings, worker: None, store: Store, keys: Keys
) -> None:
    never_seen = await store.api_keys.create(tenant=keys.tenant, role="writer", name="new", by="test")
    revoked = await store.api_keys.create(tenant=keys.tenant, role="writer", name="old", by="test")
    async with far_api(postgres, client, settings) as api, asyncio.timeout(4 * GENEROUS_S):
        for key in (keys.writer, keys.admin, keys.any_tenant, revoked.text):
            assert (await api.send(key, keys.tenant)).status_code == WRITING
        assert (await api.ask(keys.reader)).status_code == 200
        assert "trenova_database_unreachable 0.0" in (await api.ask(keys.any_tenant, path="/metrics")).text
        await store.api_keys.revoke(revoked.id, by="test")
        assert (await api.send(revoked.text, keys.tenant)).status_code == 401
        assert (await api.ask(keys.writer)).status_code == 403

        api.lose_database(mode)
        twice = str(uuid.uuid4())
        assert (await api.send(keys.writer, keys.tenant, id_=twice)).status_code == WRITING
        # If each waited for a lookup, these would take eight minutes.
        for _ in range(50):
            assert (await api.send(keys.writer, keys.tenant)).status_code == WRITING
        assert (await api.send(keys.admin, keys.tenant)).status_code == WRITING
        stored = await api.send(keys.writer, keys.tenant, "/v1/entries?wait=stored", id_=twice)
        assert stored.status_code == WRITING
        assert stored.json()["entries"][0] == {"id": twice, "state": "accepted"}

        used = REGISTRY.get_sample_value("trenova_remembered_keys_used_total")
        assert (await api.send(keys.reader, keys.tenant)).status_code == 403
        assert REGISTRY.get_sample_value("trenova_remembered_keys_used_total") == used
        wrong_secret = keys.writer[:-1] + ("A" if keys.writer[-1] != "A" else "B")
        for key in (never_seen.text, revoked.text, wrong_secret, "nonsense"):
            refused = await api.send(key, keys.tenant)
            assert refused.status_code == REFUSED
            assert "Retry-After" in refused.headers
        for path in ("/v1/entries", f"/v1/entries/{twice}", f"/v1/tenants/{keys.tenant}/key", "/v1/dead-letters"):
            assert (await api.ask(keys.admin, path=path)).status_code == REFUSED
        decoded = await api.ask(keys.any_tenant, "POST", "/codec/decode", json={"payloads": []})
        assert decoded.status_code == REFUSED

        ready = await api.until(keys.writer, 200)
        reason = {"refuse": "nothing accepts connections at its address", "lose answers": "it does not answer"}[mode]
        assert ready.json()["database"] == f"unreachable: {reason}"
        address = make_url(api.url)
        for secret in (str(address.port), str(address.username), str(address.database), "127.0.0.1"):
            assert secret not in ready.text
        page = (await api.ask(keys.any_tenant, path="/metrics")).text
        assert "trenova_database_unreachable 1.0" in page
        assert (await api.ask(keys.reader, path="/metrics")).status_code == 403

        # A process without remembered keys accepts none.
        far = api.settings.model_copy(update={"api": api.settings.api.model_copy(update={"port": choose()})})
        async with (
            Store.open(api.url, pool_size=2, search_pool_size=2) as other_store,
            serving(far, other_store, client) as other_url,
            httpx.AsyncClient(base_url=other_url, timeout=GENEROUS_S, verify=False) as http,
        ):
            other = Api(network=api.network, http=http, settings=far, url=api.url)
            assert (await other.send(keys.writer, keys.tenant)).status_code == REFUSED
            assert not (await other.until_database_is("unreachable"))["ready"]

        api.give_database_back()
        await api.until(keys.writer, 403, "/v1/entries")
        await store.api_keys.revoke(keys.writer.split("_")[1], by="test")
        assert (await api.send(keys.writer, keys.tenant)).status_code == 401
        assert (await api.ask(keys.admin)).status_code == 200
        assert "trenova_database_unreachable 0.0" in (await api.ask(keys.any_tenant, path="/metrics")).text
        assert (await api.http.get("/readyz")).json()["ready"]
        again = await api.send(keys.admin, keys.tenant, "/v1/entries?wait=stored", id_=twice)
        assert again.json()["entries"][0]["duplicate"]


async def test_with_0_seconds_no_key_works_without_the_database(
    postgres: Postgres, client: Client, settings: Settings, keys: Keys
) -> None:
    async with far_api(postgres, client, settings, rememberKeysSeconds=0) as api:
        assert (await api.send(keys.writer, keys.tenant)).status_code == WRITING
        api.lose_database("refuse")
        assert (await api.send(keys.writer, keys.tenant)).status_code == REFUSED
        assert not (await api.until_database_is("unreachable"))["ready"]


@pytest.fixture
async def database(postgres: Postgres) -> AsyncIterator[Database]:
    async with own_database(postgres) as made:
        yield made


@pytest.fixture
async def lookups(database: Database) -> AsyncIterator[KeyLookups]:
    async with Store.open(database.api_url, search_pool_size=2) as opened:
        made = KeyLookups(opened, remember_s=3600)
        async with made.running():
            yield made


@pytest.fixture
async def key(database: Database, lookups: KeyLookups) -> str:
    """A key that the database has confirmed."""
    async with Store.open(database.operator_url) as store:
        text = (await store.api_keys.create(tenant="acme", role="writer", name="test", by="test")).text
    assert await lookups.find(text) is not None
    return text


@pytest.fixture
async def operator(postgres: Postgres, database: Database) -> AsyncIterator[psycopg.AsyncConnection[tuple[Any, ...]]]:
    """A superuser's session in another database."""
    async with await postgres.connect("postgres") as connection:
        yield connection


def name_of(database: Database) -> str:
    return str(make_url(database.api_url).database)


async def shut(operator: psycopg.AsyncConnection[tuple[Any, ...]], database: Database, how: str) -> None:
    """Run this statement, and end the sessions of the database."""
    await operator.execute(f"ALTER DATABASE {name_of(database)} {how}".encode())
    await operator.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name_of(database)]
    )


async def test_a_database_without_a_free_connection_is_reachable_and_open_connections_are_used(
    lookups: KeyLookups, key: str, operator: psycopg.AsyncConnection[tuple[Any, ...]], database: Database
) -> None:
    limit = f"ALTER DATABASE {name_of(database)} CONNECTION LIMIT 0"
    await operator.execute(limit.encode())
    async with asyncio.timeout(GENEROUS_S):
        await lookups.watch.find_out()
        assert await lookups.find(key) is not None
        await shut(operator, database, "CONNECTION LIMIT 0")
        with pytest.raises(Unavailable, match="too many connections"):
            await lookups.find(key, from_memory=True)
        assert not lookups.watch.is_unreachable
        await shut(operator, database, "CONNECTION LIMIT -1")
        assert await lookups.find(key) is not None


async def test_a_database_that_denies_access_is_reachable(
    lookups: KeyLookups, key: str, operator: psycopg.AsyncConnection[tuple[Any, ...]], database: Database
) -> None:
    await shut(operator, database, "ALLOW_CONNECTIONS false")
    async with asyncio.timeout(GENEROUS_S):
        with pytest.raises(Unavailable):
            await lookups.find(key, from_memory=True)
    assert not lookups.watch.is_unreachable


async def test_a_database_that_reports_a_missing_right_is_reachable(
    lookups: KeyLookups, key: str, database: Database
) -> None:
    async with await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as owner:
        await owner.execute("REVOKE ALL ON FUNCTION find_api_keys FROM PUBLIC, trenova_api")
    with pytest.raises(DatabaseFault):
        await lookups.find(key, from_memory=True)
    assert not lookups.watch.is_unreachable


async def test_a_slow_lookup_is_not_an_outage(
    lookups: KeyLookups, key: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_lookups, "DOUBT_AFTER_S", 0.1)
    monkeypatch.setattr(key_lookups, "ANSWER_LIMIT_S", 3)
    async with await psycopg.AsyncConnection.connect(database.owner_url) as owner, asyncio.timeout(GENEROUS_S):
        await owner.execute("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Unavailable, match="did not answer within 3 seconds"):
            await lookups.find(key, from_memory=True)
        assert not lookups.watch.is_unreachable
        await owner.rollback()
        assert await lookups.find(key) is not None


async def test_a_closed_database_session_fails_no_request(
    lookups: KeyLookups, key: str, operator: psycopg.AsyncConnection[tuple[Any, ...]], database: Database
) -> None:
    """As if the server restarted within the second that the watch needs to find out."""
    async with await psycopg.AsyncConnection.connect(database.owner_url) as owner, asyncio.timeout(GENEROUS_S):
        await owner.execute("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE")
        finding = asyncio.create_task(lookups.find(key))
        waiting = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
        )
        while not await (await operator.execute(waiting, [name_of(database)])).fetchall():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)
        await owner.rollback()
        assert await finding is not None
    assert not lookups.watch.is_unreachable
