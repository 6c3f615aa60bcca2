"""Public logs for pages of any site: cross-origin requests (Fetch §3.3) to what `api.publicLogs` shows to anybody.

Never to anything that asks for a key: neither to other routes, nor to the logs of the system's own tenants, nor to any
log while `api.publicLogs` is off. A page cannot send `Authorization` along: `*` allows every header but that.
"""

import re

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from trenova.store.search import SYSTEM_TENANT_PREFIX

# Also of paths that no log has: a page must be able to tell a tile that is missing from a server that does not answer.
LEDGER_PATH = re.compile(r"/v1/(?:log/(?P<log>[^/]+)/.*|tenants/(?P<tenant>[^/]+)/key)", re.DOTALL)
ANY_ORIGIN = ((b"access-control-allow-origin", b"*"),)
READABLE_HEADERS = ((b"access-control-expose-headers", b"ETag, Retry-After, X-Request-Id"),)
PREFLIGHT = (
    (b"access-control-allow-methods", b"GET, HEAD, OPTIONS"),
    (b"access-control-allow-headers", b"*"),
    (b"access-control-max-age", b"86400"),
)


class PublicLedgers:
    """The application with its public logs open to the pages of other sites, errors included."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or not is_public_path(scope["path"]):
            await self.app(scope, receive, send)
            return
        added = (*ANY_ORIGIN, *(PREFLIGHT if scope["method"] == "OPTIONS" else READABLE_HEADERS))

        async def send_opened(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self.app(scope, receive, send_opened)


def is_public(tenant: str) -> bool:
    """Whether the tenant's log is shown where logs are public."""
    return not tenant.startswith(SYSTEM_TENANT_PREFIX)


def is_public_path(path: str) -> bool:
    """Whether the path is one of a log that is shown."""
    found = LEDGER_PATH.fullmatch(path)
    return found is not None and is_public(found["log"] or found["tenant"])
