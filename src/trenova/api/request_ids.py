"""One id for each request: the caller's, if it sends a good one, else a new one; in the answer, in every log line."""

import re
from collections.abc import Iterable

import structlog
import uuid_utils
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

HEADER = b"x-request-id"
# What a log line and a header can hold without harm, and no longer than an id needs to be.
GOOD = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")


class RequestIds:
    """The application with an id bound around each of its requests, whatever becomes of them."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        request_id = id_of(scope["headers"])

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (HEADER, request_id.encode())]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self.app(scope, receive, send_with_id)


def id_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    for name, value in headers:
        if name == HEADER and GOOD.fullmatch(value):
            return value.decode()
    return str(uuid_utils.uuid7())
