"""How every route of every server reads a body: up to a limit, at a minimum rate, counted as it arrives."""

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
from contract.web.raw import connect_to, statuses
from examples import SIGNER, body, entry
from trenova.api.codec import remote_codec
from trenova.config import MIB, ApiSettings, SecuritySettings, Settings
from trenova.dev.ports import choose
from trenova.keys.keyring import Keyring
from trenova.runtime.http.body import GRACE_S, MIN_BYTES_PER_S
from trenova.store import Store
from trenova.store.appending.parking import park
from trenova.store.appending.rows import RejectedRow

PARTIAL = b"Content-Type: application/json\r\nContent-Length: 2000\r\n\r\n{"


@pytest.fixture(scope="module")
async def url(settings: Settings, store: Store, client: Client) -> AsyncIterator[str]:
    """An API with every route turned on."""
    api = ApiSettings.model_validate({"port": choose(), "codec": {"enabled": True, "authorize": False}})
    remote = remote_codec(api, SecuritySettings(), Keyring())
    async with serving(settings.model_copy(update={"api": api}), store, client, remote) as found:
        yield found


async def park_entry(store: Store, tenant: str) -> uuid.UUID:
    id_ = uuid.uuid4()
    sent = body(tenant, id=str(id_))
    rejected = RejectedRow(ordinal=0, tenant=tenant, id=id_, body=sent, code="23514", reason="no")
    async with store.pool.cursor() as cursor:
        await park(cursor, f"b-{tenant}", [rejected])
    (letter,) = await store.dead_letters.page(tenant=tenant, limit=1)
    return letter.id


async def post_paths(url: str) -> list[str]:
    """The paths of all POST routes, with placeholders for their parameters."""
    async with httpx.AsyncClient(base_url=url, timeout=GENEROUS_S, verify=False) as http:
        document = (await http.get("/openapi.json")).json()
    return [path for path, operations in document["paths"].items() if "post" in operations]


async def send_partial_body(url: str, path: str, key: str, rest: bytes = PARTIAL) -> tuple[int, bytes]:
    """The answer to a request whose body begins and never ends."""
    port = urlsplit(url).port
    assert port is not None
    async with connect_to(port) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        connection.send(head.encode() + rest)
        return await connection.answer()


async def test_no_route_waits_forever_for_a_body(url: str, store: Store, keys: Keys, tmp_path: Path) -> None:
    witness = stand(tmp_path, "witness.example.com/w1", SIGNER)
    letter = await park_entry(store, keys.tenant)
    names = {"namespace": "default", "letter_id": str(letter)}
    paths = [path.format(**names) for path in await post_paths(url)]
    async with witness.serving():
        answers = await asyncio.gather(
            *(send_partial_body(url, path, keys.admin) for path in paths if not path.endswith("/replay")),
            send_partial_body(witness.url, "/add-checkpoint", ""),
        )
    assert len(answers) >= 7
    assert {status for status, _ in answers} == {408}
    for _, answer in answers:
        assert f"{MIN_BYTES_PER_S:,} bytes per second".encode() in answer
        assert f"{GRACE_S} s".encode() in answer


@pytest.mark.parametrize("path", ["/v1/entries", "/v1/dead-letters/{letter}", "/codec/decode"])
@pytest.mark.parametrize("framing", [b"Content-Length: 1000000000", b"Transfer-Encoding: chunked"])
async def test_a_body_over_the_limit_is_a_413_while_it_is_still_being_sent(
    url: str, store: Store, keys: Keys, path: str, framing: bytes
) -> None:
    if "{letter}" in path:
        path = path.format(letter=await park_entry(store, keys.tenant))
    port = urlsplit(url).port
    assert port is not None
    async with connect_to(port) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {keys.admin}\r\n"
        connection.send(head.encode() + b"Content-Type: application/json\r\n" + framing + b"\r\n\r\n")
        sending = asyncio.create_task(connection.send_forever(b"10000\r\n" + b" " * 65536 + b"\r\n"))
        status, problem = await connection.answer()
        assert status == 413
        assert "bytes, the limit of this route" in json.loads(problem)["detail"]
        sending.cancel()


async def test_an_endless_body_sent_to_the_witness_is_a_413_too(tmp_path: Path) -> None:
    witness = stand(tmp_path, "witness.example.com/w1", SIGNER)
    async with witness.serving(), connect_to(witness.port) as connection:
        connection.send(b"POST /add-checkpoint HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        sending = asyncio.create_task(connection.send_forever(b"10000\r\n" + b" " * 65536 + b"\r\n"))
        assert (await connection.answer())[0] == 413
        sending.cancel()


async def test_announced_bodies_that_never_arrive_do_not_block_other_writers(
    url: str, store: Store, keys: Keys
) -> None:
    port = urlsplit(url).port
    assert port is not None
    writer = (await store.api_keys.create(tenant=f"{keys.tenant}-2", role="writer", name="test", by="test")).text
    head = f"POST /v1/entries HTTP/1.1\r\nAuthorization: Bearer {keys.writer}\r\n".encode()
    async with connect_to(port) as one, connect_to(port) as two:
        for connection in (one, two):
            connection.send(head + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n[" % (16 * MIB))
        async with httpx.AsyncClient(base_url=url, timeout=GENEROUS_S, verify=False) as http:
            answer = await http.post("/v1/entries", json=entry(), headers={"Authorization": f"Bearer {writer}"})
            assert answer.status_code == 202


async def test_a_client_that_disconnects_within_its_body_is_not_a_server_error(url: str, keys: Keys) -> None:
    port = urlsplit(url).port
    assert port is not None
    async with connect_to(port) as connection:
        connection.send(f"POST /v1/entries HTTP/1.1\r\nAuthorization: Bearer {keys.writer}\r\n".encode() + PARTIAL)
        await connection.writer.drain()
        connection.writer.write_eof()
        assert 500 not in statuses(await connection.rest())
