"""uvicorn's HTTP protocol with limits on what a connection may use.

uvicorn hands every byte to its parser without a limit: a header line that never ends is copied as a whole with each
piece that arrives, on the event loop that serves all clients. Everything here is counted while it is read. A request
within the limits is answered exactly as uvicorn alone would answer it.
"""

import asyncio
import termios
from array import array
from contextlib import suppress
from dataclasses import dataclass
from fcntl import ioctl
from http import HTTPStatus
from logging import INFO, WARNING
from typing import Any, ClassVar, cast

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from trenova.runtime.http.instruments import CONNECTIONS_CUT
from trenova.runtime.http.limits import ConnectionLimits
from trenova.runtime.http.problem import MEDIA_TYPE, encode_problem
from trenova.runtime.http.request_ids import HEADER, id_of
from trenova.runtime.http.upgrades import without_upgrade

log = structlog.get_logger()

LAST_LOOK_S = 0.5
REASON = {
    HTTPStatus.BAD_REQUEST: "not_http",
    HTTPStatus.NOT_IMPLEMENTED: "not_http",
    HTTPStatus.REQUEST_TIMEOUT: "too_slow",
    HTTPStatus.TOO_MANY_REQUESTS: "too_many_pipelined",
}


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """The error answer to a request that no application has seen."""

    status: HTTPStatus
    detail: str

    def encode(self, request_id: str) -> bytes:
        body = encode_problem(self.status, self.status.phrase, self.detail, request_id)
        headers = {
            b"content-type": MEDIA_TYPE,
            b"content-length": b"%d" % len(body),
            b"connection": b"close",
            HEADER: request_id.encode(),
        }
        return b"".join(b"%b: %b\r\n" % header for header in headers.items()) + b"\r\n" + body


class StopParsing(Exception):
    """Raised inside the parser, to stop it."""


class LimitedProtocol(HttpToolsProtocol):
    """One connection. `limits` are those of its server."""

    limits: ClassVar[ConnectionLimits] = ConnectionLimits()

    transport: asyncio.Transport
    watch: asyncio.TimerHandle | None = None
    waiting_since: float | None = None
    """Since when the head of a request is awaited; None while the connection is idle or a request is being answered."""
    late_since: float | None = None
    """The value of `waiting_since` when the head was first found late."""
    idle_since = 0.0
    lingering_since: float | None = None
    """Since when the request has been answered while its body still arrives."""
    is_rejected = False
    """An error was answered; what still arrives is discarded."""
    in_head = False
    head_bytes = 0
    trailers = 0
    silent_bytes = 0
    """Bytes that the parser has read since it last found anything: a line that does not end."""
    unread: tuple[int, float] | None = None
    """The unread bytes when their number last changed, and the time of that."""
    pending_error: ErrorResponse | None = None
    """The answer to send once the parser has stopped."""
    upgrading = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.waiting_since = self.idle_since = self.loop.time()
        self.watch = self.loop.call_later(self.limits.head_s, self.check)
        if len(self.connections) > self.limits.connections:
            self.make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.watch is not None:
            self.watch.cancel()
            self.watch = None
        super().connection_lost(exc)

    @property
    def is_idle(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def make_room(self) -> None:
        """Close the connection that has been idle the longest; this one if no other is idle."""
        others = (each for each in self.connections if isinstance(each, LimitedProtocol) and each.is_idle)
        oldest = min(others, key=lambda each: each.idle_since)
        oldest.cut("no_room")

    # Input.

    def data_received(self, data: bytes) -> None:
        if self.is_rejected:
            return  # the answer is on its way; discard what still arrives
        self._unset_keepalive_if_required()
        if self.waiting_since is None and self.is_idle and self.lingering_since is None:
            self.waiting_since = self.loop.time()
        self.silent_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.ignore_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self.reject(
                self.pending_error or ErrorResponse(HTTPStatus.BAD_REQUEST, f"not an HTTP/1.1 request: {error}")
            )
        else:
            if self.silent_bytes > self.limits.head_bytes and not self.is_rejected:
                self.reject(self.too_long())

    def ignore_upgrade(self, rest: bytes) -> None:
        """Answer a request that offers another protocol as if it did not.

        The parser treats such a head as the end of HTTP: it drops the body, and would read one that arrives later as
        the next request. So a new parser gets the same head without the offer.
        """
        self.upgrading = False
        head = without_upgrade(self.parser.get_method(), self.url, self.parser.get_http_version(), self.headers)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(head + rest)

    def on_message_begin(self) -> None:
        self.in_head = True
        self.head_bytes = self.trailers = self.silent_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self.limits.target_bytes:
            self.stop(
                HTTPStatus.REQUEST_URI_TOO_LONG,
                f"the path and query are longer than {self.limits.target_bytes:,} bytes",
            )

    def on_header(self, name: bytes, value: bytes) -> None:
        self.silent_bytes = 0
        self.head_bytes += len(name) + len(value)
        if self.head_bytes > self.limits.head_bytes:
            self.pending_error = self.too_long()
            raise StopParsing
        if not self.in_head:
            # A trailer. Applications trust headers, which precede the body, so trailers are not added to them.
            self.trailers += 1
        else:
            super().on_header(name, value)
        if max(len(self.headers), self.trailers) > self.limits.headers:
            self.stop(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"there are more than {self.limits.headers} headers")

    def on_headers_complete(self) -> None:
        self.in_head = False
        self.head_bytes = self.silent_bytes = 0
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self.stop(HTTPStatus.NOT_IMPLEMENTED, "this server is not a proxy")
            self.upgrading = True
            return
        self.waiting_since = self.lingering_since = None
        if len(self.pipeline) >= self.limits.pipelined:
            self.stop(
                HTTPStatus.TOO_MANY_REQUESTS, f"more than {self.limits.pipelined} requests wait on one connection"
            )
        super().on_headers_complete()
        if self.cycle.waiting_for_100_continue:
            # A client that is answered before it was asked for its body may send it or not: the next bytes could be
            # a body or a request.
            self.cycle.send = SendOrClose(self.cycle)  # type: ignore[method-assign]

    def on_chunk_header(self) -> None:
        self.silent_bytes = 0

    def on_body(self, body: bytes) -> None:
        self.silent_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.upgrading:
            return
        self.lingering_since = None
        super().on_message_complete()
        self.cycle.more_body = False

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.is_idle:
            self.idle_since = self.loop.time()
            if self.cycle.more_body:
                self.lingering_since = self.idle_since

    # Errors.

    def too_long(self) -> ErrorResponse:
        in_head = self.in_head or self.waiting_since is not None
        part = "the head of the request is" if in_head else "trailers, or the text between the chunks of the body, are"
        detail = f"{part} longer than {self.limits.head_bytes:,} bytes"
        return ErrorResponse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)

    def stop(self, status: HTTPStatus, detail: str) -> None:
        """Stop the parser, and answer with this error."""
        self.pending_error = ErrorResponse(status, detail)
        raise StopParsing

    def reject(self, error: ErrorResponse) -> None:
        """Answer with the error, unless an answer is under way, and close. What still arrives is discarded."""
        self.is_rejected = True
        self.lingering_since = self.loop.time()
        CONNECTIONS_CUT.labels(reason=REASON.get(error.status, "too_long")).inc()
        if not self.is_idle:
            if self.pipeline or self.cycle.response_started or not self.cycle.more_body:
                # The error would look like the answer to an earlier request, or appear between its bytes. That request
                # ends as if its client had disconnected.
                self.transport.abort()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        request_id = id_of(self.headers_of_rejected())
        level = WARNING if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else INFO
        log.log(level, "invalid request", status=error.status.value, error=error.detail, request_id=request_id)
        headers = b"".join(b"%b: %b\r\n" % each for each in self.server_state.default_headers)
        self.transport.write(STATUS_LINE[error.status] + headers + error.encode(request_id))
        # Closing at once would make the kernel send a reset, which destroys an answer that has not been read yet.
        with suppress(OSError, NotImplementedError):
            self.transport.write_eof()

    def headers_of_rejected(self) -> list[tuple[bytes, bytes]]:
        """The headers received of the rejected request. Otherwise the parser still has those of an earlier one."""
        return (self.headers or []) if self.in_head or self.pending_error or not self.is_idle else []

    # Timeouts.

    def check(self) -> None:
        """Check all timeouts. One timer per connection, so that a request needs none."""
        now = self.loop.time()
        self.watch = self.loop.call_later(self.limits.head_s, self.check)
        if self.is_stuck(now):
            self.cut("answer_not_taken")
        elif self.lingering_since is not None:
            if now - self.lingering_since >= self.limits.linger_s:
                self.transport.close()
        elif self.waiting_since is not None and now - self.waiting_since >= self.limits.head_s:
            if self.late_since == self.waiting_since:
                self.give_up_on_head()
            else:
                # A process that stalled reads what arrived meanwhile only after its timers have fired: check once more.
                self.late_since = self.waiting_since
                self.watch.cancel()
                self.watch = self.loop.call_later(LAST_LOOK_S, self.check)

    def give_up_on_head(self) -> None:
        if self.silent_bytes or self.in_head:
            detail = f"the head of the request was not complete within {self.limits.head_s:g} s"
            self.reject(ErrorResponse(HTTPStatus.REQUEST_TIMEOUT, detail))
        else:
            self.transport.close()

    def is_stuck(self, now: float) -> bool:
        """Whether the client does not read its answer."""
        unread = self.transport.get_write_buffer_size()
        if unread == 0:
            self.unread = None
            return False
        unread += unacknowledged_bytes(self.transport)
        if self.unread is None or abs(self.unread[0] - unread) >= self.limits.least_taken_bytes:
            self.unread = unread, now
        return now - self.unread[1] >= self.limits.unread_answer_s

    def pause_writing(self) -> None:
        super().pause_writing()
        if sum(each.transport.get_write_buffer_size() for each in self.connections) > self.limits.unread_answers_bytes:
            self.cut("answer_not_taken")

    def cut(self, reason: str) -> None:
        CONNECTIONS_CUT.labels(reason=reason).inc()
        self.transport.abort()


class SendOrClose:
    """`send` for a client that waits for `100 Continue`: an answer without it closes the connection."""

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self.cycle = cycle
        self.forward = cycle.send

    async def __call__(self, message: Any) -> None:
        if self.cycle.waiting_for_100_continue:
            self.cycle.keep_alive = False
        await self.forward(message)


def unacknowledged_bytes(transport: asyncio.Transport) -> int:
    """Bytes of answers in the kernel that the client has not acknowledged; 0 where the system does not report it."""
    count = array("i", [0])
    with suppress(OSError, AttributeError, ValueError):
        ioctl(cast("Any", transport.get_extra_info("socket")).fileno(), termios.TIOCOUTQ, count)
    return count[0]
