"""How every route of every server reads a body: up to a limit, at a least rate, counted as it comes."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from temporalio.client import Client

from conftest import GENEROUS_S, Keys, serving
from contract.publishing.conftest import stand
from contract.web.raw import connected, statuses
from examples import SIGNER, body, entry
from trenova.api.codec import remote_codec
from trenova.config import MIB, ApiSettings, SecuritySettings, Settings
from trenova.dev.ports import choose
from trenova.keys.keyring import Keyring
from trenova.runtime.http.body import GRACE_S, MIN_BYTES_PER_S
from trenova.store import Store
from trenova.store.appending.parking import park
from trenova.store.appending.rows import RejectedRow

DROWSY = b"Content-Type: application/json\r\nContent-Length: 2000\r\n\r\n{"


@pytest.fixture(scope="module")
async def url(settings: Settings, store: Store, client: Client) -> AsyncIterator[str]:
    """An API with all routes that there are."""
    api = ApiSettings.model_validate({"port": choose(), "codec": {"enabled": True, "authorize": False}})
    remote = remote_codec(api, SecuritySettings(), Keyring())
    async with serving(settings.model_copy(update={"api": api}), store, client, remote) as found:
        yield found


async def parked(store: Store, tenant: str) -> uuid.UUID:
    id_ = uuid.uuid4()
    sent = body(tenant, id=str(id_))
    refused = RejectedRow(ordinal=0, tenant=tenant, id=id_, body=sent, code="23514", reason="no")
    async with store.pool.cursor() as cursor:
        await park(cursor, f"b-{tenant}", [refused])
    (letter,) = await store.dead_letters.page(tenant=tenant, limit=1)
    return letter.id


async def posts(url: str) -> list[str]:
    """The paths of all routes that take a POST, with names in the place of parameters."""
    async with httpx.AsyncClient(base_url=url, timeout=GENEROUS_S) as http:
        document = (await http.get("/openapi.json")).json()
    return [path for path, operations in document["paths"].items() if "post" in operations]


async def answered(url: str, path: str, key: str, rest: bytes = DROWSY) -> tuple[int, bytes]:
    """The answer to a request whose body is begun and never ended."""
    port = urlsplit(url).port
    assert port is not None
    async with connected(port) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        connection.send(head.encode() + rest)
        return await connection.answer()


async def test_no_route_waits_for_ever_for_a_body(url: str, store: Store, keys: Keys, tmp_path: Path) -> None:
    witness = stand(tmp_path, "witness.example.com/w1", SIGNER)
    letter = await parked(store, keys.tenant)
    names = {"namespace": "default", "letter_id": str(letter)}
    paths = [path.format(**names) for path in await posts(url)]
    async with witness.serving():
        found = await asyncio.gather(
            *(answered(url, path, keys.admin) for path in paths if not path.endswith("/replay")),
            answered(witness.url, "/add-checkpoint", ""),
        )
    assert len(found) >= 7
    assert {status for status, _ in found} == {408}
    for _, told in found:
        assert f"{MIN_BYTES_PER_S:,} bytes a second".encode() in told
        assert f"{GRACE_S} s".encode() in told


@pytest.mark.parametrize("path", ["/v1/entries", "/v1/dead-letters/{letter}", "/codec/decode"])
@pytest.mark.parametrize("framing", [b"Content-Length: 1000000000", b"Transfer-Encoding: chunked"])
async def test_a_body_over_the_limit_is_refused_while_it_is_read(
    url: str, store: Store, keys: Keys, path: str, framing: bytes
) -> None:
    if "{letter}" in path:
        path = path.format(letter=await parked(store, keys.tenant))
    port = urlsplit(url).port
    assert port is not None
    async with connected(port) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {keys.admin}\r\n"
        connection.send(head.encode() + b"Content-Type: application/json\r\n" + framing + b"\r\n\r\n")
        sending = asyncio.create_task(connection.send_forever(b"10000\r\n" + b" " * 65536 + b"\r\n"))
        status, problem = await connection.answer()
        assert status == 413
        assert "bytes, the most that is taken here" in json.loads(problem)["detail"]
        sending.cancel()


async def test_an_endless_body_for_the_witness_is_refused_too(tmp_path: Path) -> None:
    witness = stand(tmp_path, "witness.example.com/w1", SIGNER)
    async with witness.serving(), connected(witness.port) as connection:
        connection.send(b"POST /add-checkpoint HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        sending = asyncio.create_task(connection.send_forever(b"10000\r\n" + b" " * 65536 + b"\r\n"))
        assert (await connection.answer())[0] == 413
        sending.cancel()


async def test_bodies_that_are_announced_and_never_come_keep_nobody_from_writing(
    url: str, store: Store, keys: Keys
) -> None:
    port = urlsplit(url).port
    assert port is not None
    writer = (await store.api_keys.create(tenant=f"{keys.tenant}-2", role="writer", name="test", by="test")).text
    head = f"POST /v1/entries HTTP/1.1\r\nAuthorization: Bearer {keys.writer}\r\n".encode()
    async with connected(port) as one, connected(port) as two:
        for connection in (one, two):
            connection.send(head + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n[" % (16 * MIB))
        async with httpx.AsyncClient(base_url=url, timeout=GENEROUS_S) as http:
            answer = await http.post("/v1/entries", json=entry(), headers={"Authorization": f"Bearer {writer}"})
            assert answer.status_code == 202


async def test_a_client_that_hangs_up_within_its_body_is_no_fault_of_the_server(url: str, keys: Keys) -> None:
    port = urlsplit(url).port
    assert port is not None
    async with connected(port) as connection:
        connection.send(f"POST /v1/entries HTTP/1.1\r\nAuthorization: Bearer {keys.writer}\r\n".encode() + DROWSY)
        await connection.writer.drain()
        connection.writer.write_eof()
        assert 500 not in statuses(await connection.rest())
