"""Looking up API keys through a network that loses data."""

import asyncio
import struct
import time
from contextlib import suppress

import pytest
from sqlalchemy.engine import make_url

from conftest import GENEROUS_S, Keys
from contract.lossy_proxy import LossyProxy
from trenova.api import database_watch, key_lookups
from trenova.api.key_lookups import KeyLookups
from trenova.dev.postgres import Postgres
from trenova.errors import Unavailable
from trenova.store import Store

SSL_REQUEST, GSS_REQUEST, CANCEL = 80877103, 80877104, 80877102


async def test_a_database_that_falls_silent_is_an_error_for_each_request_and_then_forgotten(
    postgres: Postgres, keys: Keys
) -> None:
    url = make_url(postgres.api_url)
    async with LossyProxy("127.0.0.1", postgres.port).running() as proxy:
        far = url.set(port=proxy.port).render_as_string(hide_password=False)
        async with Store.open(far, pool_size=2) as store, asyncio.timeout(GENEROUS_S):
            lookups = KeyLookups(store, remember_s=0)
            async with lookups.running():
                first = await lookups.find(keys.reader)
                assert first is not None
                proxy.mode = "lose answers"
                failures = await asyncio.gather(
                    *(lookups.find(key) for key in (keys.reader, keys.writer, "unknown")), return_exceptions=True
                )
                assert all(isinstance(failure, Unavailable) for failure in failures)
                proxy.mode = "pass"
                proxy.cut()
                while lookups.watch.is_unreachable:  # noqa: ASYNC110 - the watch asks once a second
                    await asyncio.sleep(0.05)
                assert await lookups.find(keys.reader) == first


async def silent_behind_its_door(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Like a pooler in front of a dead PostgreSQL: it accepts connections and answers no query."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        (length,) = struct.unpack("!I", await reader.readexactly(4))
        code = int.from_bytes((await reader.readexactly(length - 4))[:4])
        if code in {SSL_REQUEST, GSS_REQUEST}:
            writer.write(b"N")
            await silent_behind_its_door(reader, writer)
            return
        if code != CANCEL:
            settings = {"server_version": "18.0", "client_encoding": "UTF8", "standard_conforming_strings": "on"}
            parameters = b"".join(message(b"S", f"{key}\0{value}\0".encode()) for key, value in settings.items())
            writer.write(message(b"R", bytes(4)) + parameters + message(b"K", bytes(8)) + message(b"Z", b"I"))
        await reader.read()
    writer.close()


def message(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("!I", len(content) + 4) + content


async def test_a_server_that_accepts_connections_and_answers_no_query_is_unreachable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(key_lookups, "DOUBT_AFTER_S", 0.5)
    monkeypatch.setattr(database_watch, "PROBE_TIMEOUT_S", 1)
    server = await asyncio.start_server(silent_behind_its_door, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    began = time.monotonic()
    async with server, Store.open(f"postgresql://u:p@127.0.0.1:{port}/d") as store, asyncio.timeout(GENEROUS_S):
        lookups = KeyLookups(store, remember_s=0)
        async with lookups.running():
            found = await asyncio.gather(*(lookups.find("trn_a_b") for _ in range(20)), return_exceptions=True)
            assert {type(each) for each in found} == {Unavailable}
            assert lookups.watch.reason is not None
            assert lookups.watch.reason.name == "no_answer"
        # psycopg alone waits longer for a query that it has asked the server to cancel.
        assert time.monotonic() - began < 9


async def test_lookups_that_arrive_meanwhile_are_made_together(store: Store, keys: Keys) -> None:
    lookups = KeyLookups(store, remember_s=0)
    found = await asyncio.gather(*(lookups.find(key) for key in [keys.reader, "unknown", keys.admin] * 20))
    assert [key and key.role for key in found] == ["reader", None, "admin"] * 20


@pytest.mark.parametrize("key", ["", "trn_", "trn_0_x"])
async def test_a_text_that_is_not_a_key_finds_none(store: Store, key: str) -> None:
    assert await KeyLookups(store, remember_s=0).find(key) is None
