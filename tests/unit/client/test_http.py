"""Both clients against a real server with scripted answers: they retry, and a retry never doubles an entry."""

import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest

from trenova.client import Answer, ApiError, AsyncClient, Client
from trenova.dev import ports
from trenova.errors import InvalidConfiguration, TrenovaError, Unavailable

ENTRIES = [
    {"actor": {"type": "user", "id": "u-1"}, "action": "a.b", "target": {"type": "t", "id": str(number)}}
    for number in range(3)
]


@dataclass(frozen=True, slots=True)
class Reply:
    """How one request is answered. `drop`: the connection ends without an answer."""

    status: int = 202
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b'{"batch_id": "b", "entries": []}'
    drop: bool = False


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """One request as it reached the server."""

    method: str
    path: str
    authorization: str | None
    body: bytes
    at: float

    @property
    def ids(self) -> list[str]:
        return [entry["id"] for entry in msgspec.json.decode(self.body)]


class Server(ThreadingHTTPServer):
    """Answers with the replies in order, and with the last one from then on."""

    daemon_threads = False

    def __init__(self) -> None:
        self.replies = [Reply()]
        self.seen: list[SeenRequest] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Answers one request on each connection."""

    server: Server

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        key = self.headers.get("Authorization")
        self.server.seen.append(SeenRequest(self.command, self.path, key, body, time.monotonic()))
        replies = self.server.replies
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        self.close_connection = True
        if reply.drop:
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(reply.status)
        for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    do_GET = do_POST = answer  # noqa: N815 - the names that http.server looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


Add = Callable[..., Awaitable[Answer]]


@pytest.fixture(params=["Client", "AsyncClient"])
def add(request: pytest.FixtureRequest, server: Server) -> Add:
    """`add` of a client of either kind; `retry_for_s` is for the client, everything else for the call."""

    async def sync_add(entries: list[Any], *, retry_for_s: float = 30, **how: bool) -> Answer:
        with Client(server.url, "key", retry_for_s=retry_for_s) as client:
            return client.add(entries, **how)

    async def async_add(entries: list[Any], *, retry_for_s: float = 30, **how: bool) -> Answer:
        async with AsyncClient(server.url, "key", retry_for_s=retry_for_s) as client:
            return await client.add(entries, **how)

    return sync_add if request.param == "Client" else async_add


async def test_a_successful_call_takes_one_request_with_the_key(add: Add, server: Server) -> None:
    assert (await add(ENTRIES, wait=True, partial=True)).batch_id == "b"
    (request,) = server.seen
    assert (request.method, request.path) == ("POST", "/v1/entries?wait=stored&partial=true")
    assert request.authorization == "Bearer key"
    assert len(set(request.ids)) == 3


async def test_a_busy_server_is_asked_again_after_the_time_it_names_with_the_same_ids(add: Add, server: Server) -> None:
    server.replies = [Reply(503, {"Retry-After": "2"}, b'{"detail": "full"}'), Reply()]
    await add(ENTRIES)
    first, second = server.seen
    assert first.body == second.body
    assert second.at - first.at >= 2


async def test_a_dropped_connection_is_retried_with_the_same_ids(add: Add, server: Server) -> None:
    server.replies = [Reply(drop=True), Reply()]
    await add(ENTRIES)
    first, second = server.seen
    assert first.ids == second.ids
    assert len(set(first.ids)) == 3


async def test_two_calls_with_the_same_entries_get_different_ids(add: Add, server: Server) -> None:
    await add(ENTRIES)
    await add(ENTRIES)
    first, second = server.seen
    assert not set(first.ids) & set(second.ids)


@pytest.mark.parametrize("status", [400, 401, 403, 422])
async def test_an_error_of_the_caller_is_not_retried(add: Add, server: Server, status: int) -> None:
    server.replies = [Reply(status, body=b'{"detail": "no", "hint": "next"}')]
    with pytest.raises(ApiError, match="no") as caught:
        await add(ENTRIES)
    assert (caught.value.status, caught.value.hint) == (status, "next")
    assert len(server.seen) == 1


async def test_a_server_that_stays_busy_fails_the_call_with_its_own_message(add: Add, server: Server) -> None:
    server.replies = [Reply(503, body=b'{"detail": "full", "hint": "wait"}')]
    began = time.monotonic()
    with pytest.raises(Unavailable, match="full") as caught:
        await add(ENTRIES, retry_for_s=1.5)
    assert caught.value.hint == "wait"
    # The second attempt follows a second after the first answer, unless by then the retry time is over.
    assert len(server.seen) > 1 or time.monotonic() - began > 0.5


async def test_the_page_of_another_website_is_an_api_error(add: Add, server: Server) -> None:
    server.replies = [Reply(200, {"Content-Type": "text/html"}, b"<html>")]
    with pytest.raises(ApiError, match="not one of a Trenova API"):
        await add(ENTRIES)


async def test_an_address_without_a_server_is_unavailable_after_the_retry_time() -> None:
    url = f"http://127.0.0.1:{ports.choose()}"
    with Client(url, "key", retry_for_s=0.5) as client, pytest.raises(Unavailable, match=f"no answer from {url}"):
        client.list()
    async with AsyncClient(url, "key", retry_for_s=0.5) as other:
        with pytest.raises(Unavailable, match=f"no answer from {url}"):
            await other.list()


async def test_both_clients_read_the_same(server: Server) -> None:
    entry_id = "9f1c1f9e-27d5-4c50-8a55-0b1c54e61c6f"
    server.replies = [
        Reply(200, body=b'{"entries": [{"a":  1}], "next_cursor": "c"}'),
        Reply(200, body=b'{"a":  1}'),
    ] * 2
    with Client(server.url, "key") as client:
        page, entry = client.list(cursor="x", limit=2, actor="u", target=None), client.read(entry_id)
    async with AsyncClient(server.url, "key") as other:
        assert await other.list(cursor="x", limit=2, actor="u", target=None) == page
        assert await other.read(entry_id) == entry
    assert ([bytes(each) for each in page.entries], page.next_cursor) == ([b'{"a":  1}'], "c")
    assert entry == b'{"a":  1}'
    assert [request.path for request in server.seen] == [
        "/v1/entries?actor=u&limit=2&cursor=x",
        f"/v1/entries/{entry_id}",
    ] * 2


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://host", "http://", "http://[::1", "http://host:port"])
def test_an_invalid_address_is_an_error_before_any_request(kind: type[Client] | type[AsyncClient], url: str) -> None:
    with pytest.raises(InvalidConfiguration, match="http://localhost:8080"):
        kind(url, "key")


@pytest.mark.parametrize("key", ["k\n", "k\x00", "schlüssel"])
def test_a_key_that_no_header_can_hold_is_an_error_without_the_key(key: str) -> None:
    with pytest.raises(TrenovaError) as caught:
        Client("http://localhost:8080", key)
    assert key.strip() not in str(caught.value).split()
