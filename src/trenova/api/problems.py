"""Answers errors with RFC 9457 problem documents. One table has the status of each error.

A document contains what the error's type lets a client read (`errors.ClientMessage`). What the operator needs is in the
log, in a line with the request id.
"""

from collections.abc import Mapping, Sequence
from logging import ERROR, WARNING
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.params import ParameterKwarg

from trenova import errors
from trenova.api.instruments import REQUESTS_FAILED
from trenova.api.request_effects import client_message
from trenova.config import KIB
from trenova.domain.decoding_errors import plain_words
from trenova.runtime.http.request_ids import request_id

log = structlog.get_logger()

PROBLEM_TYPE = "application/problem+json"
SERVER_ERROR, INTERNAL_ERROR = 500, "Internal error"
# Of the entry problems in one answer. `domain.intake` has cut the list at 1,000 entries before.
MAX_LISTED_BYTES = 256 * KIB

STATUS: Mapping[type[errors.TrenovaError], tuple[int, str]] = {
    errors.InvalidRequest: (400, "Invalid request"),
    errors.Unauthenticated: (401, "API key needed"),
    errors.Forbidden: (403, "Not allowed"),
    errors.NotFound: (404, "Not found"),
    errors.RequestTooSlow: (408, "Request too slow"),
    errors.Removed: (410, "Removed"),
    errors.RequestTooLarge: (413, "Request too large"),
    errors.UnsupportedMediaType: (415, "Unsupported media type"),
    errors.InvalidEntries: (422, "Invalid entries"),
    errors.TooManyReads: (429, "Too many reads"),
    errors.Unavailable: (503, "Try again later"),
}


class FieldProblem(msgspec.Struct, frozen=True):
    """One problem of one entry of the request."""

    index: int
    """Position of the entry in the request, from 0."""
    field: str
    """JSON Pointer (RFC 6901) of the field; empty for the entry itself."""
    message: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An RFC 9457 problem document."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    hint: str | None = None
    errors: list[FieldProblem] | None = None
    more_errors: int | None = None
    """How many more entries are invalid than `errors` lists."""
    request_id: str | None = None
    """With a status of 500 and above: the id by which the operator finds this request in the server's log."""


def reason_of(title: str) -> str:
    """The metric label of a title. Labels are fixed: nothing that a client sends adds one."""
    return title.lower().replace(" ", "_")


# Created at the start, so that the first error is counted as an increase from 0.
for _, _title in STATUS.values():
    REQUESTS_FAILED.labels(reason=reason_of(_title))
REQUESTS_FAILED.labels(reason=reason_of(INTERNAL_ERROR))


def field_problems(problems: Sequence[errors.EntryProblem]) -> list[FieldProblem]:
    """The problems to list: the first, and more up to MAX_LISTED_BYTES."""
    shown: list[FieldProblem] = []
    size = 0
    for problem in problems:
        one = FieldProblem(problem.index, problem.field, problem.message)
        size += len(msgspec.json.encode(one))
        if shown and size > MAX_LISTED_BYTES:
            break
        shown.append(one)
    return shown


def answer_our_error(request: Request[Any, Any, Any], error: errors.TrenovaError) -> Response[bytes]:
    status, title = next(
        (STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), (SERVER_ERROR, INTERNAL_ERROR)
    )
    REQUESTS_FAILED.labels(reason=reason_of(title)).inc()
    log_for_operator(error, status)
    headers = {}
    if isinstance(error, errors.Unavailable):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="trenova"'
    if status >= SERVER_ERROR:
        return problem_response(server_problem(client_message(request, error), status, title), headers)
    problem = Problem(title=title, status=status, detail=error.for_client.detail, hint=error.for_client.hint)
    if isinstance(error, errors.InvalidEntries):
        listed = field_problems(error.problems)
        problem = msgspec.structs.replace(problem, errors=listed, more_errors=error.bad - len(listed) or None)
    return problem_response(problem, headers)


def log_for_operator(error: errors.TrenovaError, status: int) -> None:
    """Log what the client does not see. Most client errors have nothing more to log."""
    if status >= SERVER_ERROR:
        fields = {"hint": error.hint} if error.hint else {}
        if error.retryable and error.__cause__:
            # From Temporal or a disk. Database errors are never causes: their text may quote a row.
            fields["cause"] = " ".join(str(error.__cause__).split())
        log.log(WARNING if error.retryable else ERROR, "request failed", error=error.message, status=status, **fields)
    elif isinstance(error, errors.RequestError) and error.note:
        log.info("request denied", error=error.message, status=status, note=error.note)


def server_problem(message: errors.ClientMessage, status: int, title: str) -> Problem:
    """The problem document of a server error."""
    return Problem(title=title, status=status, detail=message.detail, hint=message.hint, request_id=request_id())


def answer_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Answer unknown paths, wrong methods, bodies over the limit and parameters of the wrong type."""
    if error.status_code >= SERVER_ERROR:
        return answer_unexpected_error(request, error)
    detail = f"{error.detail}: {request.method} {request.url.path}"
    if isinstance(error.extra, list):
        problems = (
            f"{public_name(request, each.get('key', ''))}: {plain_words(each.get('message', ''))}"
            for each in error.extra
        )
        detail = "; ".join(problems) or detail
    title = {404: "Not found", 405: "Method not allowed", 413: "Request too large"}.get(
        error.status_code, "Invalid request"
    )
    REQUESTS_FAILED.labels(reason=reason_of(title)).inc()
    return problem_response(Problem(title=title, status=error.status_code, detail=detail), dict(error.headers or {}))


def public_name(request: Request[Any, Any, Any], parameter: str) -> str:
    """The name by which clients know a parameter of the handler."""
    field = request.route_handler.parsed_fn_signature.parameters.get(parameter)
    described = field.kwarg_definition if field else None
    return (described.name if isinstance(described, ParameterKwarg) else None) or parameter


def answer_unexpected_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer a bug. The client gets only the request id; the log has the rest."""
    REQUESTS_FAILED.labels(reason=reason_of(INTERNAL_ERROR)).inc()
    log.error("request failed", path=request.url.path, method=request.method, exc_info=error)
    message = client_message(request, errors.TrenovaError(type(error).__name__))
    return problem_response(server_problem(message, SERVER_ERROR, INTERNAL_ERROR), {})


# By default a cache may keep a 404 (RFC 9111 §4.2.2), but what is missing may exist soon.
NO_STORE = {"Cache-Control": "no-store"}


def problem_response(problem: Problem, headers: Mapping[str, str]) -> Response[bytes]:
    return Response(
        content=msgspec.json.encode(problem),
        status_code=problem.status,
        media_type=PROBLEM_TYPE,
        headers={**NO_STORE, **headers},
    )


HANDLERS: dict[Any, Any] = {
    errors.TrenovaError: answer_our_error,
    HTTPException: answer_http_exception,
    Exception: answer_unexpected_error,
}
