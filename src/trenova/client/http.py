"""The two clients, for code with and without asyncio. Both send the calls of `messages` and retry the same way."""

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
# A request is given up after this long; until then the server may restart, or Temporal come back.
RETRY_FOR_S = 60.0
PAGE = 100


def next_try(error: Exception) -> bool | float:
    """Whether to try again, or after how many seconds if the server says so."""
    if isinstance(error, Unavailable):
        return float(error.retry_after_s)
    return isinstance(error, httpx.TransportError)


def retrying(retry_for_s: float) -> dict[str, Any]:
    return {"on": next_try, "attempts": None, "timeout": retry_for_s, "wait_max": 5.0}


def options(url: str, api_key: str) -> dict[str, Any]:
    """What both clients are made with. Raises InvalidConfiguration for what no request could be made of."""
    if not is_address(url):
        raise InvalidConfiguration([f"{url!r} given as the API's address, expected one like http://localhost:8080"])
    if not (api_key.isascii() and api_key.isprintable()):
        raise InvalidConfiguration(["the API key holds a line end or another character that no key has"])
    return {"base_url": url, "timeout": TIMEOUT, "headers": {"Authorization": f"Bearer {api_key}"}}


def is_address(url: str) -> bool:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return parsed.scheme in {"http", "https"} and bool(parsed.host)


def given_up(url: str, error: httpx.TransportError) -> Unavailable:
    return Unavailable(
        f"no answer from {url}: {str(error) or type(error).__name__}", hint="is the API running? start it: make dev"
    )


class AsyncClient:
    """Use as `async with AsyncClient(url, api_key) as client`. Safe to share between tasks."""

    def __init__(self, url: str, api_key: str, *, retry_for_s: float = RETRY_FOR_S) -> None:
        self.url = url
        self.retry_for_s = retry_for_s
        self.http = httpx.AsyncClient(**options(url, api_key))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def add(self, entries: Sequence[Mapping[str, Any]], *, wait: bool = False, partial: bool = False) -> Answer:
        """Send entries. `wait`: until they are stored. `partial`: accept the good ones even if others are refused."""
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
            async for attempt in stamina.retry_context(**retrying(self.retry_for_s)):
                with attempt:
                    response = await self.http.request(
                        call.method, call.path, params=call.params, content=call.content, headers=call.headers
                    )
                    return messages.body_of(response)
        except httpx.TransportError as error:
            raise given_up(self.url, error) from error
        raise AssertionError("a retry ends with an answer or an error")


class Client:
    """The same without asyncio: `with Client(url, api_key) as client`. Safe to share between threads."""

    def __init__(self, url: str, api_key: str, *, retry_for_s: float = RETRY_FOR_S) -> None:
        self.url = url
        self.retry_for_s = retry_for_s
        self.http = httpx.Client(**options(url, api_key))

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
            for attempt in stamina.retry_context(**retrying(self.retry_for_s)):
                with attempt:
                    response = self.http.request(
                        call.method, call.path, params=call.params, content=call.content, headers=call.headers
                    )
                    return messages.body_of(response)
        except httpx.TransportError as error:
            raise given_up(self.url, error) from error
        raise AssertionError("a retry ends with an answer or an error")
