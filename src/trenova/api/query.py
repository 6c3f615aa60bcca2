"""Checks query parameters. Unknown ones are errors: a mistyped filter must not silently return everything."""

from datetime import datetime
from typing import Any

import msgspec
from litestar import Request
from litestar.params import QueryParameter

from trenova.domain.entry import Time
from trenova.errors import InvalidRequest

# A route declares its parameters in its `opt` under this key.
QUERY = "query"
# Under this key a route declares that it ignores them: to its readers it is a file, and they may add a query to bypass
# a cache.
QUERY_IGNORED = "query_ignored"
MAX_TEXT = 1024


async def check_query(request: Request[Any, Any, Any]) -> None:
    if request.route_handler.opt.get(QUERY_IGNORED):
        return
    known = request.route_handler.opt.get(QUERY, frozenset())
    for name, value in request.query_params.multi_items():
        if name not in known:
            expected = f"expected one of: {', '.join(sorted(known))}" if known else "this route has none"
            raise InvalidRequest(f"unknown query parameter {name!r}; {expected}")
        if "\0" in value:
            raise InvalidRequest(
                f"the query parameter {name!r} contains the character U+0000, which no entry can contain"
            )
        if len(request.query_params.getall(name)) > 1:
            raise InvalidRequest(f"the query parameter {name!r} is given twice")


def text_parameter(description: str, *, name: str | None = None) -> QueryParameter:
    """A text parameter. Litestar reads its limits only here, not from the annotation of an optional parameter."""
    return QueryParameter(name=name, min_length=1, max_length=MAX_TEXT, description=description)


def parse_time(name: str, text: str | None) -> datetime | None:
    """The time in a parameter, parsed as strictly as in an entry: an offset is required."""
    try:
        return None if text is None else msgspec.convert(text, Time)
    except msgspec.ValidationError:
        raise InvalidRequest(
            f"the query parameter {name!r} is not a time with an offset, such as 2026-01-31T09:30:00Z",
            hint="in a URL, write the + of an offset as %2B",
        ) from None
