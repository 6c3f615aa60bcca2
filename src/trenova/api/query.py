"""Query parameters that are not understood are refused: a mistyped filter must not silently show everything."""

from typing import Any

from litestar import Request

from trenova.errors import InvalidRequest

# A route names its parameters in its `opt` under this key.
QUERY = "query"


async def check_query(request: Request[Any, Any, Any]) -> None:
    known = request.route_handler.opt.get(QUERY, frozenset())
    for name, value in request.query_params.multi_items():
        if name not in known:
            takes = f"it takes {', '.join(sorted(known))}" if known else "it takes none"
            raise InvalidRequest(f"there is no query parameter {name!r} here; {takes}")
        if "\0" in value:
            raise InvalidRequest(f"the query parameter {name!r} holds the character U+0000, which no entry has")
        if len(request.query_params.getall(name)) > 1:
            raise InvalidRequest(f"the query parameter {name!r} is given twice")
