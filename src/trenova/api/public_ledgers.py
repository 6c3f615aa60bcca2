"""Lets pages of any site read public ledgers: cross-origin requests (Fetch §3.3) to what `api.publicLogs` makes public.

Never to anything that needs a key: other routes, the ledgers of system tenants, and every ledger while `api.publicLogs`
is off. A page cannot send `Authorization`: `*` allows every header except that one.
"""

import re

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from trenova.store.search import SYSTEM_TENANT_PREFIX

# Also paths that no ledger has: a page must be able to distinguish a missing tile from an unreachable server.
LEDGER_PATH = re.compile(r"/v1/(?:log/(?P<log>[^/]+)/.*|tenants/(?P<tenant>[^/]+)/key)", re.DOTALL)
ANY_ORIGIN = ((b"access-control-allow-origin", b"*"),)
READABLE_HEADERS = ((b"access-control-expose-headers", b"ETag, Retry-After, X-Request-Id"),)
PREFLIGHT = (
    (b"access-control-allow-methods", b"GET, HEAD, OPTIONS"),
    (b"access-control-allow-headers", b"*"),
    (b"access-control-max-age", b"86400"),
)


class PublicLedgers:
    """The application, with CORS headers on the answers for public ledgers, including errors."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or not is_public_path(scope["path"]):
            await self.app(scope, receive, send)
            return
        added = (*ANY_ORIGIN, *(PREFLIGHT if scope["method"] == "OPTIONS" else READABLE_HEADERS))

        async def send_with_cors(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self.app(scope, receive, send_with_cors)


def is_public(tenant: str) -> bool:
    """Whether the tenant's ledger is public while `api.publicLogs` is on."""
    return not tenant.startswith(SYSTEM_TENANT_PREFIX)


def is_public_path(path: str) -> bool:
    """Whether the path belongs to a public ledger."""
    match = LEDGER_PATH.fullmatch(path)
    return match is not None and is_public(match["log"] or match["tenant"])
