"""From a product's record to an entry: one module per product, each with a pure function of the record.

`mapper` returns the one for a name. A record that cannot become an entry raises MapError with the reason; no other
exception leaves this package. The same record always gives the same entry, so a second import stores nothing twice.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from trenova.errors import InvalidRequest
from trenova.importing.maps import cloudtrail, gcp, github, kubernetes, none, okta
from trenova.importing.maps.entry import TENANT
from trenova.importing.maps.error import MapError

__all__ = ["MAPS", "MapError", "mapper"]

MAPS: dict[str, Callable[..., dict[str, Any]]] = {
    "none": none.to_entry,
    "cloudtrail": cloudtrail.to_entry,
    "kubernetes": kubernetes.to_entry,
    "github": github.to_entry,
    "okta": okta.to_entry,
    "gcp": gcp.to_entry,
}


def mapper(name: str, *, tenant: str | None = None) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The map for the records of one file, in their order. Use a new one for every file: `none` counts equal records.

    `tenant` replaces the tenant that a record names. With None, and none named, the API key decides.

    Raises:
        InvalidRequest: there is no such map, or the tenant is invalid.
    """
    if name not in MAPS:
        raise InvalidRequest(f"unknown map {name!r}", hint=f"use one of: {', '.join(MAPS)}")
    if tenant is not None and not TENANT.fullmatch(tenant):
        raise InvalidRequest(f"invalid tenant {tenant!r}", hint="use 1 to 128 of the characters A-Z a-z 0-9 . _ -")
    return none.NumberingMap(tenant) if name == "none" else partial(MAPS[name], tenant=tenant)
