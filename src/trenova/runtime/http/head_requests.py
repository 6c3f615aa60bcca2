"""HEAD on every route that answers GET (RFC 9110 §9.3.2)."""

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

ALLOW = b"allow"


class HeadRequests:
    """The application, with HEAD answered as GET without the body; `Content-Length` is that of the GET answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        is_head = scope["method"] == "HEAD"

        async def send_answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [(name, allow_head(name, value)) for name, value in message["headers"]]
            elif is_head and message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        # A copy: the server reads its own scope, in which the method must stay HEAD.
        forwarded: Scope = {**scope, "method": "GET"} if is_head else scope
        try:
            await self.app(forwarded, receive, send_answer)
        finally:
            if "path_template" in forwarded:
                scope["path_template"] = forwarded["path_template"]  # traces name the route after it


def allow_head(name: bytes, value: bytes) -> bytes:
    """The header `Allow` with HEAD added where it lists GET; any other header unchanged."""
    methods = value.split(b", ")
    if name.lower() != ALLOW or b"GET" not in methods or b"HEAD" in methods:
        return value
    return b", ".join((*methods, b"HEAD"))
