"""Positions in lists, encoded as opaque text for clients."""

import base64
import binascii
from contextlib import suppress
from typing import TypeVar

import msgspec

from trenova.errors import InvalidRequest
from trenova.store.search import FeedPosition, PagePosition

Position = TypeVar("Position", PagePosition, FeedPosition)

decoder = msgspec.msgpack.Decoder(PagePosition | FeedPosition)


def encode(position: PagePosition | FeedPosition) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(position)).rstrip(b"=").decode()


def decode(cursor: str, kind: type[Position]) -> Position:
    position: object = None
    with suppress(binascii.Error, ValueError, msgspec.DecodeError):
        position = decoder.decode(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    if not isinstance(position, kind):
        raise InvalidRequest("the cursor was not issued by this list", hint="start again without a cursor")
    return position
