"""Positions in lists, encoded as opaque text for clients."""

from contextlib import suppress
from typing import TypeVar

import msgspec

from trenova.api import base64url
from trenova.errors import InvalidRequest
from trenova.store.search import FeedPosition, PagePosition

Position = TypeVar("Position", PagePosition, FeedPosition)

decoder = msgspec.msgpack.Decoder(PagePosition | FeedPosition)


def encode(position: PagePosition | FeedPosition) -> str:
    return base64url.encode(msgspec.msgpack.encode(position))


def decode(cursor: str, kind: type[Position]) -> Position:
    position: object = None
    with suppress(ValueError, msgspec.DecodeError):
        position = decoder.decode(base64url.decode(cursor))
    if not isinstance(position, kind):
        raise InvalidRequest("the cursor was not issued by this list", hint="start again without a cursor")
    return position
