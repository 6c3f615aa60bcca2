"""Failures outside the routes: each has a log line with the request id, and the answer reveals nothing else."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from litestar import Litestar, get
from litestar.exceptions import ImproperlyConfiguredException
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs
from structlog.typing import EventDict

from conftest import GENEROUS_S
from contract.web.raw import connect_to, serve_raw
from trenova.api.problems import HANDLERS
from trenova.runtime.http.limits import ConnectionLimits
from trenova.runtime.http.request_ids import RequestIds

INTERNAL = "postgresql://trenova_api@db.internal:5432/audit"
ID = "checkout/7f3a"
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]}


@pytest.fixture
def log_lines() -> Iterator[list[EventDict]]:
    with capture_logs([merge_contextvars]) as lines:
        yield lines


async def fail_as_path_says(scope: Any, receive: Any, send: Any) -> None:
    """An application that fails as the path says."""
    del receive
    way = scope["path"]
    if way == "/halfway":
        await send(START)
        await send({"type": "http.response.body", "body": b"12345", "more_body": True})
    if way == "/for-ever":
        await asyncio.Event().wait()
    if way != "/silent":
        raise RuntimeError(INTERNAL)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with serve_raw(ConnectionLimits(), RequestIds(fail_as_path_says)) as found:
        yield found


async def ask(port: int, path: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=GENEROUS_S, trust_env=False, verify=False) as http:
        return await http.get(f"http://127.0.0.1:{port}{path}", headers={"X-Request-Id": ID})


@pytest.mark.parametrize("way", ["/at-once", "/silent"])
async def test_a_request_that_the_application_does_not_answer_gets_an_error(
    port: int, log_lines: list[EventDict], way: str
) -> None:
    answer = await ask(port, way)
    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers.get_list("X-Request-Id") == [ID]
    assert answer.json()["request_id"] == ID
    assert INTERNAL not in answer.text
    (line,) = [line for line in log_lines if line["event"] == "request failed"]
    assert (line["request_id"], line["path"]) == (ID, way)
    assert (way == "/silent") != (str(line["exc_info"]) == INTERNAL)


async def test_an_answer_that_breaks_off_is_logged_with_its_id(port: int, log_lines: list[EventDict]) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await ask(port, "/halfway")
    (line,) = [line for line in log_lines if line["event"] == "request failed"]
    assert (line["request_id"], str(line["exc_info"])) == (ID, INTERNAL)


async def test_a_request_that_is_cut_off_by_the_end_of_the_process_is_answered(log_lines: list[EventDict]) -> None:
    async with serve_raw(ConnectionLimits(), RequestIds(fail_as_path_says)) as port:
        asked = asyncio.create_task(ask(port, "/for-ever"))
        async with connect_to(port) as connection:  # accepted after the previous one
            connection.send(b"GET /at-once HTTP/1.1\r\n\r\n")
            await connection.answer()
    answer = await asked
    assert (answer.status_code, answer.json()["request_id"]) == (503, ID)
    assert "not known" in answer.json()["detail"]
    assert "Retry-After" in answer.headers
    (line,) = [line for line in log_lines if line["event"] == "request cut off"]
    assert line["request_id"] == ID


REFUSED = {
    "another protocol": (b"CONNECT a:1 HTTP/1.1\r\nX-Request-Id: mine\r\n\r\n", 501),
    "no HTTP": (b"\x16\x03\x01\r\n\r\n", 400),
    "a head that is too long": (b"GET / HTTP/1.1\r\nX-Request-Id: mine\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
    "a path that is too long": (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n", 414),
}


@pytest.mark.parametrize(("sent", "status"), REFUSED.values(), ids=REFUSED)
async def test_an_error_before_the_application_is_answered_and_logged_with_an_id(
    port: int, log_lines: list[EventDict], sent: bytes, status: int
) -> None:
    async with connect_to(port) as connection:
        connection.send(sent)
        head, _, body = (await connection.rest()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    (given,) = [line.partition(b": ")[2].decode() for line in head.split(b"\r\n") if line.startswith(b"x-request-id")]
    assert (given == "mine") == (b"X-Request-Id: mine" in sent)
    assert (b'"request_id":"mine"' in body) == (status == 501)
    (line,) = [line for line in log_lines if line["event"] == "invalid request"]
    assert (line["request_id"], line["status"]) == (given, status)


async def test_an_invalid_request_does_not_get_the_id_of_the_one_before_it(
    port: int, log_lines: list[EventDict]
) -> None:
    async with connect_to(port) as connection:
        connection.send(b"GET /at-once HTTP/1.1\r\nX-Request-Id: first\r\n\r\n")
        await connection.answer()
        connection.send(b"\x16\x03\x01\r\n\r\n")
        await connection.rest()
    failed, refused = [
        line["request_id"] for line in log_lines if line["event"] in {"request failed", "invalid request"}
    ]
    assert (failed, refused != "first") == ("first", True)


@get("/improper")
async def improper() -> None:
    raise ImproperlyConfiguredException(INTERNAL)


@get("/unwritable")
async def unwritable() -> dict[str, Any]:
    return {INTERNAL: object()}


@get("/bug")
async def bug() -> None:
    raise RuntimeError(INTERNAL)


def spoil(app: Any) -> Any:
    """A middleware that fails."""

    async def fail_on_path(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/spoiled":
            raise RuntimeError(INTERNAL)
        await app(scope, receive, send)

    return fail_on_path


def fail_too(*_: object) -> Any:
    raise RuntimeError(INTERNAL)


@get("/spoiled")
async def answer_nothing() -> None: ...


@pytest.mark.parametrize("handlers", [HANDLERS, {Exception: fail_too}], ids=["ours", "that fail too"])
@pytest.mark.parametrize("way", ["/improper", "/unwritable", "/bug", "/spoiled"])
async def test_a_failure_of_the_framework_reveals_nothing(
    log_lines: list[EventDict], way: str, handlers: dict[Any, Any]
) -> None:
    app = Litestar(
        [improper, unwritable, bug, answer_nothing],
        exception_handlers=handlers,
        middleware=[spoil],
        logging_config=None,
        openapi_config=None,
    )
    async with serve_raw(ConnectionLimits(), RequestIds(app)) as port:
        answer = await ask(port, way)
    assert answer.status_code == 500
    assert answer.json()["title"] == "Internal error"
    assert answer.json()["request_id"] == ID
    assert "db.internal" not in answer.text
    assert any(line["request_id"] == ID and line.get("exc_info") for line in log_lines)
