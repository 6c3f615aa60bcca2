"""Requests and answers without a connection, shared by both clients."""

import secrets
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
import msgspec

from trenova.errors import EntryProblem, RequestError, Unavailable

OK, MANY_REQUESTS, SERVER_ERROR = 200, 429, 500

Message = TypeVar("Message")


class ApiError(RequestError):
    """The API answered with an error. `status` is its HTTP status; `problems` lists what is wrong with which entry."""

    def __init__(self, message: str, *, status: int, problems: Sequence[EntryProblem], hint: str | None) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.problems = tuple(problems)


class EntryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one entry."""

    id: uuid.UUID
    state: str
    """`accepted`, `spooled`, `stored`, or `parked`: accepted, but rejected by the database so far."""
    reason: str | None = None
    """Why it is parked."""
    batch_id: str | None = None
    index: int | None = None
    duplicate: bool = False
    body_differs: bool = False


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request: its accepted entries in order, and what is wrong with the others."""

    batch_id: str
    entries: list[EntryAnswer]
    errors: list[EntryProblem] = []


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Some entries, each as the exact JSON that is stored, and the cursor of the next page."""

    entries: list[msgspec.Raw]
    next_cursor: str | None = None


class ProblemDocument(msgspec.Struct, frozen=True):
    title: str = ""
    detail: str = ""
    hint: str | None = None
    errors: list[EntryProblem] = []
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, ready to be sent any number of times with the same effect."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.content is None else {"Content-Type": "application/json"}


def add(entries: Sequence[Mapping[str, Any]], *, wait: bool, partial: bool) -> Call:
    """Entries without an id get one here, so that sending them again stores nothing twice."""
    ids = iter(new_ids(sum(entry.get("id") is None for entry in entries)))
    with_ids = [entry if entry.get("id") is not None else {**entry, "id": next(ids)} for entry in entries]
    params = {**({"wait": "stored"} if wait else {}), **({"partial": "true"} if partial else {})}
    return Call(method="POST", path="/v1/entries", params=params, content=msgspec.json.encode(with_ids))


def new_ids(count: int) -> list[str]:
    """As many UUIDv7 (RFC 9562, section 5.7) in ascending order."""
    milliseconds = time.time_ns() // 1_000_000
    return [str(each) for each in sorted(uuid7(milliseconds, secrets.randbits(74)) for _ in range(count))]


def uuid7(milliseconds: int, random: int) -> uuid.UUID:
    """48 bits of time, 4 of version, 12 of the 74 random bits, 2 of variant, and the other random bits."""
    high, low = random >> 62, random & ((1 << 62) - 1)
    return uuid.UUID(int=milliseconds << 80 | 7 << 76 | high << 64 | 2 << 62 | low)


def list_entries(filters: Mapping[str, str | None], *, cursor: str | None, limit: int) -> Call:
    params = {name: value for name, value in filters.items() if value is not None} | {"limit": str(limit)}
    return Call(method="GET", path="/v1/entries", params=params | ({"cursor": cursor} if cursor else {}))


def read_entry(entry_id: uuid.UUID | str) -> Call:
    return Call(method="GET", path=f"/v1/entries/{uuid.UUID(str(entry_id))}")


def decode(body: bytes, kind: type[Message]) -> Message:
    """The message in the body of a successful answer. Raises ApiError if it is not the answer of a Trenova API."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ApiError(
            "the answer is not one of a Trenova API", status=OK, problems=(), hint="check the address of the API"
        ) from None


def body_of(response: httpx.Response) -> bytes:
    """The body of a successful answer. Raises Unavailable where a retry may help, else ApiError."""
    if response.is_success:
        return response.content
    try:
        problem = msgspec.json.decode(response.content, type=ProblemDocument)
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = ProblemDocument()
    message = problem.detail or problem.title or f"the server answered {response.status_code} {response.reason_phrase}"
    if problem.request_id:
        message = f"{message} (request id {problem.request_id})"
    if response.status_code >= SERVER_ERROR or response.status_code == MANY_REQUESTS:
        seconds = response.headers.get("Retry-After", "")
        raise Unavailable(message, retry_after_s=int(seconds) if seconds.isdigit() else 1, hint=problem.hint)
    raise ApiError(message, status=response.status_code, problems=problem.errors, hint=problem.hint)
