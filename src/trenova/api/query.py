"""Query parameters that are not understood are refused: a mistyped filter must not silently show everything."""

from datetime import datetime
from typing import Any

import msgspec
from litestar import Request
from litestar.params import QueryParameter

from trenova.domain.entry import Time
from trenova.errors import InvalidRequest

# A route names its parameters in its `opt` under this key.
QUERY = "query"
# Under this key a route says that it takes no notice of them: it is a file to its readers, who may add anything to get
# past a cache.
QUERY_IGNORED = "query_ignored"
MAX_TEXT = 1024


async def check_query(request: Request[Any, Any, Any]) -> None:
    if request.route_handler.opt.get(QUERY_IGNORED):
        return
    known = request.route_handler.opt.get(QUERY, frozenset())
    for name, value in request.query_params.multi_items():
        if name not in known:
            takes = f"it takes {', '.join(sorted(known))}" if known else "it takes none"
            raise InvalidRequest(f"there is no query parameter {name!r} here; {takes}")
        if "\0" in value:
            raise InvalidRequest(f"the query parameter {name!r} holds the character U+0000, which no entry has")
        if len(request.query_params.getall(name)) > 1:
            raise InvalidRequest(f"the query parameter {name!r} is given twice")


def text_parameter(description: str, *, name: str | None = None) -> QueryParameter:
    """A parameter that is a text. Litestar sees limits only here, not in the annotation of an optional parameter."""
    return QueryParameter(name=name, min_length=1, max_length=MAX_TEXT, description=description)


def parse_time(name: str, text: str | None) -> datetime | None:
    """The time in a parameter, read as strictly as in an entry: `2026` is no time, and none lacks its offset."""
    try:
        return None if text is None else msgspec.convert(text, Time)
    except msgspec.ValidationError:
        raise InvalidRequest(
            f"the query parameter {name!r} is not a time with an offset, such as 2026-01-31T09:30:00Z",
            hint="in an address, write the + of an offset as %2B",
        ) from None
