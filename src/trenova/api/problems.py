"""Errors as RFC 9457 problem documents. One table says which error has which status."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.params import ParameterKwarg

from trenova import errors
from trenova.api.instruments import REQUESTS_REFUSED
from trenova.config import KIB
from trenova.domain.explain import plain

log = structlog.get_logger()

PROBLEM_TYPE = "application/problem+json"
SERVER_ERROR = 500
# Of the problems of entries in one answer. The list is cut at 1,000 entries before (`domain.intake`).
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
    """One thing wrong with one entry of the request."""

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
    """So many more entries are wrong than `errors` lists."""


def reason_of(title: str) -> str:
    """A title as metrics have it. There are as many as titles: nothing a caller sends makes a new one."""
    return title.lower().replace(" ", "_")


# From the start, so that the first one is seen to be one more than none.
for _, _title in STATUS.values():
    REQUESTS_REFUSED.labels(reason=reason_of(_title))
REQUESTS_REFUSED.labels(reason="internal_error")


def listed(problems: Sequence[errors.EntryProblem]) -> list[FieldProblem]:
    """The problems as they are shown: no more than MAX_LISTED_BYTES of them, but for the first."""
    shown: list[FieldProblem] = []
    size = 0
    for problem in problems:
        one = FieldProblem(problem.index, problem.field, problem.message)
        size += len(msgspec.json.encode(one))
        if shown and size > MAX_LISTED_BYTES:
            break
        shown.append(one)
    return shown


def of_ours(_: Request[Any, Any, Any], error: errors.TrenovaError) -> Response[bytes]:
    status, title = next(
        (STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), (SERVER_ERROR, "Internal error")
    )
    REQUESTS_REFUSED.labels(reason=reason_of(title)).inc()
    if status >= SERVER_ERROR:
        log.warning("request failed", error=error.message, status=status)
    headers = {}
    if isinstance(error, errors.Unavailable):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="trenova"'
    problem = Problem(title=title, status=status, detail=error.message, hint=error.hint)
    if isinstance(error, errors.InvalidEntries):
        found = listed(error.problems)
        problem = msgspec.structs.replace(problem, errors=found, more_errors=error.bad - len(found) or None)
    return answer(problem, headers)


def of_litestar(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Unknown paths, wrong methods, bodies over the limit, parameters of the wrong type."""
    detail = f"{error.detail}: {request.method} {request.url.path}"
    if isinstance(error.extra, list):
        found = (
            f"{public_name(request, each.get('key', ''))}: {plain(each.get('message', ''))}" for each in error.extra
        )
        detail = "; ".join(found) or detail
    title = {404: "Not found", 405: "Method not allowed", 413: "Request too large"}.get(
        error.status_code, "Invalid request"
    )
    REQUESTS_REFUSED.labels(reason=reason_of(title)).inc()
    return answer(Problem(title=title, status=error.status_code, detail=detail), dict(error.headers or {}))


def public_name(request: Request[Any, Any, Any], parameter: str) -> str:
    """What the client calls a parameter of the handler."""
    field = request.route_handler.parsed_fn_signature.parameters.get(parameter)
    described = field.kwarg_definition if field else None
    return (described.name if isinstance(described, ParameterKwarg) else None) or parameter


def of_anyone(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A bug. The client learns nothing of it but where to look; the log has the rest."""
    REQUESTS_REFUSED.labels(reason="internal_error").inc()
    log.error("request failed", path=request.url.path, method=request.method, exc_info=error)
    return answer(
        Problem(title="Internal error", status=500, detail="something went wrong here; the API's log says what"), {}
    )


# Unless it is told, a cache may keep a 404 for as long as it likes (RFC 9111 §4.2.2): what is missing may come soon.
NOT_KEPT = {"Cache-Control": "no-store"}


def answer(problem: Problem, headers: Mapping[str, str]) -> Response[bytes]:
    return Response(
        content=msgspec.json.encode(problem),
        status_code=problem.status,
        media_type=PROBLEM_TYPE,
        headers={**NOT_KEPT, **headers},
    )


HANDLERS: dict[Any, Any] = {errors.TrenovaError: of_ours, HTTPException: of_litestar, Exception: of_anyone}
