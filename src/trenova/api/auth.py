"""Authenticates every request and decides whether it may use its route. The tenant comes from the API key alone.

A route is closed unless its `opt` says under ACCESS whom it admits: `docs/decisions/0039-closed-unless-public.md`.
"""

from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from litestar import Request
from litestar.di import NamedDependency
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from trenova.api.instruments import REMEMBERED_KEYS_USED
from trenova.api.key_lookups import KeyLookups
from trenova.api.remembered_keys import RememberedKey
from trenova.api.services import Services
from trenova.errors import Forbidden, Unauthenticated
from trenova.runtime.http.byte_budget import Share
from trenova.store.api_keys import ApiKey, Role

SCHEME = "bearer"
KEY_HINT = "send the header `Authorization: Bearer <api key>`; create keys with `trenova api-key create`"

WRITERS: AbstractSet[Role] = frozenset({"writer", "admin"})
READERS: AbstractSet[Role] = frozenset({"reader", "admin"})
ADMINS: AbstractSet[Role] = frozenset({"admin"})
ANY_ROLE: AbstractSet[Role] = WRITERS | READERS

# A route declares whom it admits in its `opt` under this key.
ACCESS = "access"

Access = Callable[[Request[Any, Any, Any], Services], Awaitable[object]]
"""Returns what the route's handler finds in `request.auth`. Raises Unauthenticated, Forbidden or Unavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The holder of a valid API key."""

    key_id: str
    tenant: str | None
    """None: any tenant."""
    role: Role

    @property
    def share(self) -> Share:
        """Whose share of this server's capacity the caller uses: one per tenant, however many keys it has."""
        return ("key", self.key_id) if self.tenant is None else ("tenant", self.tenant)

    def tenant_to_read(self, requested: str | None) -> str | None:
        """The tenant that a search is limited to; None is every tenant."""
        if self.tenant is not None and requested not in {None, self.tenant}:
            raise Forbidden(f"this API key may read the tenant {self.tenant} only")
        return self.tenant or requested


async def admit_anyone(_request: Request[Any, Any, Any], _services: Services) -> None:
    """The access of a public route."""


PUBLIC: Access = admit_anyone


def requires(roles: AbstractSet[Role], *, without_database: bool = False) -> Access:
    """Access with an API key that has one of the roles; the handler finds its Caller.

    `without_database`: remembered keys are accepted while the database is unreachable. Only for routes that work
    without it and reveal nothing that is stored.
    """

    async def admit(request: Request[Any, Any, Any], services: Services) -> Caller:
        return await authenticate(request, services.lookups, roles, from_memory=without_database)

    return admit


CLOSED = requires(frozenset())


def gate_of(services: Services) -> Callable[[ASGIApp], ASGIApp]:
    """The middleware that stands before all routes, and thus before parameters and the body are read.

    No layer below can take it away. It is not a guard: Litestar copies the whole handler for each call of one, which
    costs a sixth of what it spends on a small request.
    """

    def before(app: ASGIApp) -> ASGIApp:
        async def gate(scope: Scope, receive: Receive, send: Send) -> None:
            assert scope["type"] == ScopeType.HTTP
            handler = scope["route_handler"]
            if not is_list_of_methods(scope, handler):
                access: Access = handler.opt.get(ACCESS, CLOSED)
                scope["auth"] = await access(Request(scope), services)
            await app(scope, receive, send)

        return gate

    return before


def is_list_of_methods(scope: HTTPScope, handler: BaseRouteHandler) -> bool:
    """Whether Litestar itself answers: it lists the methods of a path that has no handler for OPTIONS."""
    return scope["method"] == "OPTIONS" and handler.fn.__module__ == HTTPRoute.__module__


def caller_of(request: Request[Any, Any, Any], services: NamedDependency[Services]) -> Caller:
    """The dependency `caller` of the routes that need an API key.

    It depends on `services` only for speed: Litestar starts a task for each of several independent dependencies.
    """
    del services
    caller = request.auth
    assert isinstance(caller, Caller)
    return caller


async def authenticate(
    request: Request[Any, Any, Any], lookups: KeyLookups, roles: AbstractSet[Role], *, from_memory: bool = False
) -> Caller:
    """The caller, if the API key is valid and has one of the roles.

    The key is looked up for every request, so that a revoked one stops at once. With `from_memory` a remembered key
    is accepted while the database is unreachable.
    """
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != SCHEME or not text.strip():
        raise Unauthenticated("an API key is required", hint=KEY_HINT)
    key = await lookups.find(text.strip(), from_memory=from_memory)
    if key is None:
        raise Unauthenticated("the API key is unknown or revoked", hint=KEY_HINT)
    check_role(key, roles)
    if isinstance(key, RememberedKey):
        REMEMBERED_KEYS_USED.inc()
    return Caller(key_id=key.id, tenant=key.tenant, role=key.role)


def check_role(key: ApiKey | RememberedKey, roles: AbstractSet[Role]) -> None:
    if key.role not in roles:
        needed = f"it needs the role {' or '.join(sorted(roles))}" if roles else "no role may"
        raise Forbidden(f"an API key with the role {key.role} may not do this; {needed}")
