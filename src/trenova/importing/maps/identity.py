"""The id of an entry, always the same for the same record, so that a second import stores nothing twice.

The namespaces never change: with another one every record already stored would be stored a second time.
"""

import hashlib
import re
import uuid
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from trenova.importing.maps.error import MapError
from trenova.importing.record import MAX_NESTING

UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
# The parent of the namespaces of the products.
IMPORT_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:trenova:import")

encode_sorted = msgspec.json.Encoder(order="sorted").encode
encode_fast = msgspec.json.Encoder().encode


def from_own_id(product: str, value: str) -> str:
    """The product's own id if that is a UUID, else a UUIDv5 of it."""
    lower = value.lower()
    return lower if UUID.fullmatch(lower) else from_parts(product, "id", value)


def from_content(product: str, event: dict[str, Any]) -> str:
    """A UUIDv5 of the whole record, whatever the order of its keys: the same record delivered twice is one entry."""
    return from_parts(product, "content", digest(event))


def digest(event: dict[str, Any]) -> str:
    """SHA-256 of the record's canonical bytes: UUIDv5 alone is SHA-1, for which colliding records can be made."""
    return hashlib.sha256(canonical(event)).hexdigest()


def canonical(value: dict[str, Any]) -> bytes:
    """The JSON of an object with its keys sorted. Raises MapError for an object that JSON cannot represent."""
    return encode_json(value, encode_sorted)


def encode_json(value: dict[str, Any], encode: Callable[[Any], bytes]) -> bytes:
    try:
        return encode(value)
    except UnicodeEncodeError:
        raise MapError("a string holds half a surrogate pair, which is not a character") from None
    except RecursionError:
        raise MapError(f"the record is nested deeper than {MAX_NESTING} levels") from None
    except (ValueError, OverflowError):
        raise MapError("the record holds an integer beyond 64 bits; write it as a string") from None


def from_parts(product: str, *parts: str) -> str:
    return str(uuid.uuid5(namespace(product), "\0".join(parts)))


@lru_cache(maxsize=16)
def namespace(product: str) -> uuid.UUID:
    return uuid.uuid5(IMPORT_NAMESPACE, product)
