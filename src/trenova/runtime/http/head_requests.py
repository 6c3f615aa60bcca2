"""HEAD on every route that answers GET (RFC 9110 §9.3.2)."""

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

ALLOW = b"allow"


class HeadRequests:
    """The application with HEAD answered as GET is, without the body: its length is told, as a GET would tell it."""

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

        # A copy: the server looks at its own, and must go on expecting no body.
        asked: Scope = {**scope, "method": "GET"} if is_head else scope
        try:
            await self.app(asked, receive, send_answer)
        finally:
            if "path_template" in asked:
                scope["path_template"] = asked["path_template"]  # traces name the route by it


def allow_head(name: bytes, value: bytes) -> bytes:
    """A list of methods with HEAD where it has GET; any other header as it is."""
    methods = value.split(b", ")
    if name.lower() != ALLOW or b"GET" not in methods or b"HEAD" in methods:
        return value
    return b", ".join((*methods, b"HEAD"))
