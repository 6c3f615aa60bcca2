"""Gives each request an id, the caller's if it is valid, else a new one, in the answer and in every log line.

Also answers, with that id, what fails outside the application: in a middleware, in an exception handler, while an
answer is written, or because the process stops first.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
import uuid_utils

from trenova.runtime.http.problem import MEDIA_TYPE, encode_problem

log = structlog.get_logger()

HEADER = b"x-request-id"
# Harmless in a log line and in a header, and no longer than an id needs to be.
VALID_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
RETRY_AFTER_S = b"1"

Application = Callable[[Any, Any, Any], Awaitable[None]]


class RequestIds:
    """The application with an id bound around each request.

    `on_failure` is called for each request that the application could not answer itself.
    """

    def __init__(self, app: Application, on_failure: Callable[[], object] = lambda: None) -> None:
        self.app = app
        self.on_failure = on_failure

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = Exchange(receive, send, id_of(scope["headers"]))
        with structlog.contextvars.bound_contextvars(request_id=exchange.id):
            try:
                await self.app(scope, exchange.receive, exchange.send)
                if not exchange.is_over:
                    raise_incomplete()
            except asyncio.CancelledError:
                # The server stops, and has waited long enough for this request.
                log.warning("request cut off", method=scope["method"], path=scope["path"], reason="the process stops")
                await exchange.answer_failure(
                    HTTPStatus.SERVICE_UNAVAILABLE, "Try again later", "this server is stopping"
                )
            except Exception as error:
                # No other place logs it with the id.
                self.on_failure()
                log.error(  # noqa: TRY400 - with the cause, as a field
                    "request failed", method=scope["method"], path=scope["path"], exc_info=error
                )
                await exchange.answer_failure(
                    HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error", "something failed inside this server"
                )


@dataclass(slots=True)
class Exchange:
    """One request, and how much of its answer has been sent."""

    from_client: Callable[[], Awaitable[Any]]
    to_client: Callable[[Any], Awaitable[None]]
    id: str
    started: bool = False
    is_over: bool = False
    """The answer is complete, or the client has disconnected."""

    async def receive(self) -> Any:
        message = await self.from_client()
        self.is_over = self.is_over or message["type"] == "http.disconnect"
        return message

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (HEADER, self.id.encode())]
            self.started = True
        await self.to_client(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self.is_over = True

    async def answer_failure(self, status: HTTPStatus, title: str, detail: str) -> None:
        """Answer, unless an answer has begun: then the client sees that it ends too early."""
        if self.started:
            return
        body = encode_problem(status, title, f"{detail}; it is not known whether the request took effect", self.id)
        headers = [
            (b"content-type", MEDIA_TYPE),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            *([(b"retry-after", RETRY_AFTER_S)] if status == HTTPStatus.SERVICE_UNAVAILABLE else []),
        ]
        await self.send({"type": "http.response.start", "status": status.value, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def raise_incomplete() -> None:
    raise RuntimeError("the application returned before its answer was complete")


def id_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    for name, value in headers:
        if name == HEADER and VALID_ID.fullmatch(value):
            return value.decode()
    return new_id()


def new_id() -> str:
    return str(uuid_utils.uuid7())


def request_id() -> str | None:
    """The id of the request that is being handled; None outside one."""
    id_: str | None = structlog.contextvars.get_contextvars().get("request_id")
    return id_
