"""A tracing span for each request, named after its route."""

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from trenova import tracing


class RequestSpans:
    """The application with a span around each request. Path and query are not recorded: they name tenants."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        with tracing.current.request(scope["method"], scope["headers"]) as answer:

            async def send_and_record(message: Message) -> None:
                if message["type"] == "http.response.start":
                    answer.status = message["status"]
                await send(message)

            try:
                await self.app(scope, receive, send_and_record)
            finally:
                answer.route = scope.get("path_template")
