"""Searches and lists: separate connections, a share for each tenant, a limit in bytes, and their cancellation."""

import asyncio
import base64
import json
import uuid
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from temporalio.client import Client

from conftest import GENEROUS_S, Keys, serving
from contract.web.raw import connect_to
from examples import body, entry
from trenova.config import KIB, ApiSettings, Settings
from trenova.dev.ports import choose
from trenova.dev.postgres import Postgres
from trenova.store import Store
from trenova.store.appending.parking import park
from trenova.store.appending.rows import RejectedRow
from trenova.store.pages import MAX_PAGE_BYTES

LARGE = 200 * KIB
COUNT = MAX_PAGE_BYTES // LARGE + 5
LOCKED = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%' || %s || '%%'"


@pytest.fixture(scope="module")
async def large_url(settings: Settings, store: Store, client: Client) -> AsyncIterator[str]:
    async with serving(settings.model_copy(update={"api": ApiSettings(port=choose())}), store, client) as url:
        yield url


async def waiting(owner: psycopg.AsyncConnection[tuple[object, ...]], text: str) -> int:
    """How many statements with this text wait for a lock."""
    found = await (await owner.execute(LOCKED, [text])).fetchone()
    assert found is not None
    return int(str(found[0]))


async def until_waiting(owner: psycopg.AsyncConnection[tuple[object, ...]], text: str, count: int) -> None:
    async with asyncio.timeout(GENEROUS_S):
        while await waiting(owner, text) != count:  # noqa: ASYNC110 - another process has no event for it
            await asyncio.sleep(0.05)


def head(path: str, key: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\r\n".encode()


async def test_endless_searches_do_not_block_writers(
    large_url: str,
    postgres: Postgres,
    owner: psycopg.AsyncConnection[tuple[object, ...]],
    store: Store,
    keys: Keys,
) -> None:
    """A lock on the table makes them wait like a search of minutes; one tenant runs only two of its six."""
    port = urlsplit(large_url).port
    assert port is not None
    async with await psycopg.AsyncConnection.connect(postgres.owner_url) as lock:
        await lock.execute("LOCK TABLE dead_letters IN ACCESS EXCLUSIVE MODE")
        opened = [connect_to(port) for _ in range(6)]
        connections = [await each.__aenter__() for each in opened]
        for connection in connections:
            connection.send(head("/v1/dead-letters", keys.admin))
        await until_waiting(owner, "FROM dead_letters", 2)
        async with httpx.AsyncClient(base_url=large_url, timeout=GENEROUS_S, verify=False) as http:
            writer = {"Authorization": f"Bearer {keys.writer}"}
            for _ in range(8):
                answer = await http.post("/v1/entries", json=entry(), headers=writer)
                assert answer.status_code == 202
            # Another tenant's list starts, too.
            other = (await store.api_keys.create(tenant=f"{keys.tenant}-2", role="admin", name="test", by="test")).text
            asked = asyncio.create_task(http.get("/v1/dead-letters", headers={"Authorization": f"Bearer {other}"}))
            await until_waiting(owner, "FROM dead_letters", 3)
            # A cancelled search is cancelled in the database, and one that waited for a slot never starts.
            for each in opened:
                await each.__aexit__(None, None, None)
            await until_waiting(owner, "FROM dead_letters", 1)
            await lock.rollback()
            assert (await asked).status_code == 200


async def test_a_page_ends_where_it_becomes_too_large(api: httpx.AsyncClient, worker: None, keys: Keys) -> None:
    sent = [entry(id=str(uuid.uuid4()), metadata={"x": "y" * LARGE}) for _ in range(COUNT)]
    answer = await api.post("/v1/entries?wait=stored", json=sent)
    assert answer.status_code == 201
    for order in ("newest", "stored"):
        found: list[str] = []
        cursor: dict[str, str] = {}
        while len(found) < COUNT:
            page = (await api.get("/v1/entries", params={"limit": 1000, "order": order, "q": "yyyy", **cursor})).json()
            assert len(json.dumps(page["entries"])) < MAX_PAGE_BYTES + 2 * LARGE
            found += [each["id"] for each in page["entries"]]
            cursor = {"cursor": page["next_cursor"]}
        assert sorted(found) == sorted(each["id"] for each in sent)


async def test_a_list_of_dead_letters_ends_where_their_bodies_become_too_large(
    api: httpx.AsyncClient, store: Store, keys: Keys
) -> None:
    ids = [uuid.uuid4() for _ in range(COUNT)]
    sent = [body(keys.tenant, id=str(id_), metadata={"x": "y" * LARGE}) for id_ in ids]
    refused = [
        RejectedRow(ordinal=number, tenant=keys.tenant, id=id_, body=large, code="23514", reason="no")
        for number, (id_, large) in enumerate(zip(ids, sent, strict=True))
    ]
    async with store.pool.cursor() as cursor:
        await park(cursor, f"b-{keys.tenant}", refused)
    assert len((await api.get("/v1/dead-letters", params={"limit": 100})).json()["dead_letters"]) == COUNT
    first = (await api.get("/v1/dead-letters", params={"limit": 100, "bodies": True})).json()
    assert len(first["dead_letters"]) < COUNT
    assert {base64.b64decode(each["body"]) for each in first["dead_letters"]} < set(sent)
    rest = await api.get("/v1/dead-letters", params={"limit": 100, "bodies": True, "cursor": first["next_cursor"]})
    assert len(first["dead_letters"]) + len(rest.json()["dead_letters"]) == COUNT
