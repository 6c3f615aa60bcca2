"""The two clients, for code with and without asyncio. Both send the calls of `messages`, with the same retries."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Self

import httpx
import stamina

from trenova.client import messages
from trenova.client.messages import Answer, Call, Page
from trenova.errors import InvalidConfiguration, Unavailable

# Longer than the server waits with `?wait=stored`.
TIMEOUT = httpx.Timeout(60, connect=10)
# Requests are retried for this long, so that the server may restart, or Temporal become available again.
RETRY_FOR_S = 60.0
PAGE = 100


def retry_after(error: Exception) -> bool | float:
    """Whether to retry; where the server says after how many seconds, that number."""
    if isinstance(error, Unavailable):
        return float(error.retry_after_s)
    return isinstance(error, httpx.TransportError)


def retry_options(retry_for_s: float) -> dict[str, Any]:
    return {"on": retry_after, "attempts": None, "timeout": retry_for_s, "wait_max": 5.0}


def http_options(url: str, api_key: str) -> dict[str, Any]:
    """The arguments of both HTTP clients. Raises InvalidConfiguration for an address or a key that cannot work."""
    if not is_address(url):
        raise InvalidConfiguration([f"{url!r} given as the API's address, expected one like http://localhost:8080"])
    if not is_api_key(api_key):
        raise InvalidConfiguration(["the API key contains a line end or another character that no API key has"])
    return {"base_url": url, "timeout": TIMEOUT, "headers": {"Authorization": f"Bearer {api_key}"}}


def is_api_key(text: str) -> bool:
    """Whether a header can hold the text. Libraries quote a header that is not valid, and with it the key."""
    return text.isascii() and text.isprintable()


def is_address(url: str) -> bool:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return parsed.scheme in {"http", "https"} and bool(parsed.host)


def no_answer(url: str, error: httpx.TransportError) -> Unavailable:
    return Unavailable(
        f"no answer from {url}: {str(error) or type(error).__name__}",
        hint="check that the API is running; to start one on this machine: make dev",
    )


class AsyncClient:
    """Use as `async with AsyncClient(url, api_key) as client`. Safe to share between tasks."""

    def __init__(self, url: str, api_key: str, *, retry_for_s: float = RETRY_FOR_S) -> None:
        self.url = url
        self.retry_for_s = retry_for_s
        self.http = httpx.AsyncClient(**http_options(url, api_key))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def add(self, entries: Sequence[Mapping[str, Any]], *, wait: bool = False, partial: bool = False) -> Answer:
        """Send entries. `wait`: until they are stored. `partial`: accept the valid ones even if others are invalid."""
        body = await self.send(messages.add(entries, wait=wait, partial=partial))
        return messages.decode(body, Answer)

    async def list(self, *, cursor: str | None = None, limit: int = PAGE, **filters: str | None) -> Page:
        """A page of entries; filters as in `GET /v1/entries` (`from` and `to` as in a dict: `**{"from": …}`)."""
        body = await self.send(messages.list_entries(filters, cursor=cursor, limit=limit))
        return messages.decode(body, Page)

    async def read(self, entry_id: uuid.UUID | str) -> bytes:
        """The exact bytes of a stored entry."""
        return await self.send(messages.read_entry(entry_id))

    async def send(self, call: Call) -> bytes:
        try:
            async for attempt in stamina.retry_context(**retry_options(self.retry_for_s)):
                with attempt:
                    response = await self.http.request(
                        call.method, call.path, params=call.params, content=call.content, headers=call.headers
                    )
                    return messages.body_of(response)
        except httpx.TransportError as error:
            raise no_answer(self.url, error) from error
        raise AssertionError("unreachable: the last attempt returns or raises")


class Client:
    """The same without asyncio: `with Client(url, api_key) as client`. Safe to share between threads."""

    def __init__(self, url: str, api_key: str, *, retry_for_s: float = RETRY_FOR_S) -> None:
        self.url = url
        self.retry_for_s = retry_for_s
        self.http = httpx.Client(**http_options(url, api_key))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def add(self, entries: Sequence[Mapping[str, Any]], *, wait: bool = False, partial: bool = False) -> Answer:
        """As `AsyncClient.add`."""
        return messages.decode(self.send(messages.add(entries, wait=wait, partial=partial)), Answer)

    def list(self, *, cursor: str | None = None, limit: int = PAGE, **filters: str | None) -> Page:
        """As `AsyncClient.list`."""
        return messages.decode(self.send(messages.list_entries(filters, cursor=cursor, limit=limit)), Page)

    def read(self, entry_id: uuid.UUID | str) -> bytes:
        """As `AsyncClient.read`."""
        return self.send(messages.read_entry(entry_id))

    def send(self, call: Call) -> bytes:
        try:
            for attempt in stamina.retry_context(**retry_options(self.retry_for_s)):
                with attempt:
                    response = self.http.request(
                        call.method, call.path, params=call.params, content=call.content, headers=call.headers
                    )
                    return messages.body_of(response)
        except httpx.TransportError as error:
            raise no_answer(self.url, error) from error
        raise AssertionError("unreachable: the last attempt returns or raises")
