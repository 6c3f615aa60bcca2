"""What a connection may use before its client is authenticated. The tests send raw bytes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from conftest import GENEROUS_S
from contract.web.raw import Connection, connect_to, serve_raw, statuses
from trenova.runtime.http.instruments import CONNECTIONS_CUT
from trenova.runtime.http.limits import ConnectionLimits

LIMITS = ConnectionLimits()
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
async def port() -> AsyncIterator[int]:
    async with serve_raw(LIMITS) as found:
        yield found


@pytest.fixture
async def connection(port: int) -> AsyncIterator[Connection]:
    async with connect_to(port) as opened:
        yield opened


ENDLESS = {
    "a header's value": (b"GET / HTTP/1.1\r\nX: ", b"a" * 65536, 431, "65,536"),
    "a header's name": (b"GET / HTTP/1.1\r\n", b"a" * 65536, 431, "65,536"),
    "a path": (b"GET /", b"a" * 65536, 414, "32,768"),
    "headers": (b"GET / HTTP/1.1\r\n", b"a: b\r\n" * 1000, 431, "100"),
    "empty lines": (b"", b"\r\n" * 32768, 431, "65,536"),
    "a chunk's extension": (CHUNKED + b"1;", b"a" * 65536, 431, "65,536"),
    "a trailer": (CHUNKED + b"1\r\na\r\n0\r\nX: ", b"a" * 65536, 431, "65,536"),
    "trailers": (CHUNKED + b"1\r\na\r\n0\r\n", b"a: b\r\n" * 1000, 431, "100"),
}


@pytest.mark.parametrize(("begin", "piece", "status", "limit"), ENDLESS.values(), ids=ENDLESS)
async def test_endless_input_is_an_error_that_names_the_limit(
    connection: Connection, begin: bytes, piece: bytes, status: int, limit: str
) -> None:
    connection.send(begin)
    sending = asyncio.create_task(connection.send_forever(piece))
    found, problem = await connection.answer()
    assert (found, json.loads(problem)["status"]) == (status, status)
    assert limit in json.loads(problem)["detail"]
    await sending


async def test_a_long_head_within_the_limits_is_answered(connection: Connection) -> None:
    path = "/" + "a" * (LIMITS.target_bytes - 2)
    headers = "".join(f"x-{number}: {'v' * 300}\r\n" for number in range(LIMITS.headers - 1))
    connection.send(f"GET {path} HTTP/1.1\r\n{headers}\r\n".encode())
    status, body = await connection.answer()
    assert status == 200
    assert len(json.loads(body)["headers"]) == LIMITS.headers - 1


@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.1\r\nHost: a\r\n", b"\r\n", b"P"], ids=["half a head", "empty line", "a byte"]
)
async def test_a_head_that_is_not_complete_in_time_is_a_408(sent: bytes) -> None:
    async with serve_raw(ConnectionLimits(head_s=0.2, linger_s=0.2)) as port, connect_to(port) as connection:
        connection.send(sent)
        answer = await connection.rest()
        assert statuses(answer) == [408]
        assert b"0.2 s" in answer


async def test_a_second_head_has_a_time_limit_too_and_bytes_do_not_prolong_it() -> None:
    async with serve_raw(ConnectionLimits(head_s=0.2, linger_s=0.2)) as port, connect_to(port) as connection:
        connection.send(b"GET / HTTP/1.1\r\n\r\n")
        assert (await connection.answer())[0] == 200
        connection.send(b"GET / HTTP/1.1\r\n")
        dripping = asyncio.create_task(drip(connection))
        assert statuses(await connection.rest()) == [408]
        await dripping


async def drip(connection: Connection) -> None:
    while not connection.reader.at_eof():
        connection.send(b"a: b\r\n")
        await asyncio.sleep(0.05)


async def test_a_connection_without_a_request_is_closed() -> None:
    async with serve_raw(ConnectionLimits(head_s=0.2)) as port, connect_to(port) as connection:
        assert await connection.rest() == b""


async def test_a_body_that_is_not_read_is_not_received_forever() -> None:
    async with serve_raw(ConnectionLimits(head_s=0.2, linger_s=0.2)) as port, connect_to(port) as connection:
        connection.send(b"POST /unread HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n")
        assert (await connection.answer())[0] == 200
        await drip(connection)  # ends with the connection


async def test_an_answer_that_its_client_does_not_read_is_aborted() -> None:
    before = given_up()
    async with serve_raw(ConnectionLimits(head_s=0.1, unread_answer_s=0.3)) as port:
        # The client's buffer is so small that the answer stays at the server until the client reads.
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET /large HTTP/1.1\r\n\r\n")
        await until_more_than(before)
        writer.close()
        assert not reader.at_eof()


async def test_unread_answers_hold_a_limited_number_of_bytes() -> None:
    before = given_up()
    async with serve_raw(ConnectionLimits(unread_answers_bytes=40 << 20)) as port, AsyncExitStack() as opened:
        for _ in range(5):
            _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            opened.callback(writer.close)
            writer.write(b"GET /large HTTP/1.1\r\n\r\n")
        await until_more_than(before)


def given_up() -> float:
    return float(CONNECTIONS_CUT.labels(reason="answer_not_taken")._value.get())


async def until_more_than(before: float) -> None:
    async with asyncio.timeout(GENEROUS_S):
        while given_up() == before:  # noqa: ASYNC110 - a counter has no event
            await asyncio.sleep(0.05)


async def test_a_new_connection_takes_the_place_of_one_that_is_idle() -> None:
    async with serve_raw(ConnectionLimits(connections=3)) as port, AsyncExitStack() as opened:
        busy = await opened.enter_async_context(connect_to(port))
        busy.send(POST + b"Content-Length: 2\r\n\r\n1")
        idle = [await opened.enter_async_context(connect_to(port)) for _ in range(2)]
        newest = await opened.enter_async_context(connect_to(port))
        assert await idle[0].rest() == b""
        newest.send(b"GET / HTTP/1.1\r\n\r\n")
        assert (await newest.answer())[0] == 200
        idle[1].send(b"GET / HTTP/1.1\r\n\r\n")
        assert (await idle[1].answer())[0] == 200
        busy.send(b"2")
        assert json.loads((await busy.answer())[1])["body"] == "12"


async def test_a_limited_number_of_requests_is_read_ahead(connection: Connection) -> None:
    connection.send(b"GET / HTTP/1.1\r\n\r\n" * (LIMITS.pipelined + 2))
    assert await connection.rest() == b""


async def test_a_few_requests_may_be_sent_ahead(connection: Connection) -> None:
    connection.send(b"".join(b"GET /?%d HTTP/1.1\r\n\r\n" % number for number in range(LIMITS.pipelined)))
    answers = [json.loads((await connection.answer())[1])["query"] for _ in range(LIMITS.pipelined)]
    assert answers == [str(number) for number in range(LIMITS.pipelined)]


# Two servers in a row that disagree on the end of a request let a client smuggle one into another's connection.
SMUGGLED = {
    "length and chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "the same length twice": POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": POST + b"Content-Length: 5, 5\r\n\r\nhello",
    "a length with a sign": POST + b"Content-Length: +5\r\n\r\nhello",
    "a length too large to count": POST + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "chunks, then another coding": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "another coding alone": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks, then none": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "a space before the colon": POST + b"Content-Length : 5\r\n\r\nhello",
    "a folded line": POST + b"X: a\r\n Content-Length: 5\r\n\r\nhello",
    "bare line feeds": b"POST / HTTP/1.1\nContent-Length: 5\n\nhello",
    "a chunk's length after 0x": CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
    "a line feed behind a chunk's length": CHUNKED + b"5\nhello\r\n0\r\n\r\n",
    "a line feed in a chunk's extension": CHUNKED + b"5;a\nhello\r\n0\r\n\r\n",
    "a NUL in a header": b"GET / HTTP/1.1\r\nX: a\0b\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("sent", SMUGGLED.values(), ids=SMUGGLED)
async def test_a_head_that_two_servers_could_read_differently_is_a_400(connection: Connection, sent: bytes) -> None:
    connection.send(sent + b"GET /?smuggled HTTP/1.1\r\n\r\n")
    assert statuses(await connection.rest()) == [400]


async def test_trailers_are_not_added_to_the_headers(connection: Connection) -> None:
    connection.send(CHUNKED + b"5\r\nhello\r\n0\r\nAuthorization: Bearer x\r\n\r\n")
    status, body = await connection.answer()
    assert (status, json.loads(body)["body"]) == (200, "hello")
    assert json.loads(body)["headers"] == ["host", "transfer-encoding"]


@pytest.mark.parametrize("offer", [b"h2c", b"websocket"])
async def test_an_offer_of_another_protocol_is_ignored_and_the_body_read(connection: Connection, offer: bytes) -> None:
    """Java's HTTP client sends every first request like this. The parser alone drops or misreads the body."""
    head = POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: " + offer + b"\r\nHTTP2-Settings: AA\r\n"
    connection.send(head + b"Content-Length: 5\r\n\r\n")
    await asyncio.sleep(0)
    connection.send(b"hello" + b"GET /?next HTTP/1.1\r\n\r\n")
    status, body = await connection.answer()
    assert (status, json.loads(body)["body"]) == (200, "hello")
    assert json.loads((await connection.answer())[1])["query"] == "next"


async def test_connect_is_an_error(connection: Connection) -> None:
    connection.send(b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert statuses(await connection.rest()) == [501]


async def test_a_client_that_waits_for_100_continue_is_asked_for_its_body(connection: Connection) -> None:
    connection.send(POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    assert (await connection.answer())[0] == 100
    connection.send(b"hello")
    assert json.loads((await connection.answer())[1])["body"] == "hello"


async def test_an_answer_before_100_continue_closes_the_connection(connection: Connection) -> None:
    """Otherwise the client's next request would be read as the body that it did not send."""
    connection.send(b"POST /unread HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 60\r\n\r\n")
    assert statuses(await connection.rest()) == [200]


async def test_no_error_appears_between_the_bytes_of_an_answer(port: int) -> None:
    async with connect_to(port) as connection:
        connection.send(POST + b"Content-Length: 5\r\n\r\nhello" + b"no request at all\r\n\r\n")
        assert set(statuses(await connection.rest())) <= {200}
