"""Reads JSON without any certainty: each field may be absent, null, empty or of another type than documented."""

import ipaddress
from functools import lru_cache
from typing import Any

from trenova.importing.maps.error import MapError
from trenova.importing.record import kind

Event = dict[str, Any]
MAX_QUOTED = 80  # characters of an invalid value in a message
LONGEST_ADDRESS = 64  # characters; with room for an IPv6 zone


def at(event: Event, *path: str | int) -> Any:
    """The value at the end of the path, or None where the path does not exist."""
    value: Any = event
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def text(value: Any) -> str | None:
    """A string that is not blank, unchanged; a whole number as its digits; None for everything else."""
    if value is None:
        return None
    if isinstance(value, str):
        return value if value and not value.isspace() else None
    if isinstance(value, int) and not isinstance(value, bool):
        return digits(value)
    return None


def digits(value: int) -> str | None:
    try:
        return str(value)
    except ValueError:  # Python converts no more than 4,300 digits
        return None


def text_at(event: Event, *path: str | int) -> str | None:
    return text(at(event, *path))


def first_text(event: Event, *names: str) -> str | None:
    """The text of the first of these fields that has any."""
    return next((found for name in names if (found := text(event.get(name))) is not None), None)


def object_at(event: Event, *path: str | int) -> Event:
    """The object at the end of the path, or an empty one."""
    value = at(event, *path)
    return value if isinstance(value, dict) else {}


def required_text(event: Event, *path: str) -> str:
    value = at(event, *path)
    result = text(value)
    if result is None:
        found = "an empty string" if isinstance(value, str) else kind(value)
        raise MapError(f"{'.'.join(path)}: expected text, found {found}")
    return result


def number(value: Any) -> int | None:
    """A whole number, which may be written as a string."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None  # noqa: PLR2004 - 64 bits
    return value if isinstance(value, int) else None


def quote(value: Any) -> str:
    """A value for a message: escaped and shortened."""
    whole = value if isinstance(value, str) else digits(value) if isinstance(value, int) else repr(value)
    return ascii((whole or "a number")[:MAX_QUOTED])


def origin(address: str | None) -> dict[str, str]:
    """Where a request came from, for `context`: `ip` if it is an address, else `source_host` (CloudTrail has both)."""
    if address is None:
        return {}
    return {"ip": address} if len(address) <= LONGEST_ADDRESS and is_address(address) else {"source_host": address}


@lru_cache(maxsize=4096)
def is_address(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True
