"""Who asks, and whether they may. The tenant comes from the API key and from nowhere else."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from litestar import Request
from litestar.di import NamedDependency

from trenova.api.instruments import REMEMBERED_KEYS_USED
from trenova.api.key_lookups import KeyLookups
from trenova.api.remembered_keys import RememberedKey
from trenova.api.services import Services
from trenova.errors import Forbidden, Unauthenticated
from trenova.runtime.http.room import Share
from trenova.store.api_keys import Role

SCHEME = "bearer"
KEY_HINT = "send the header `Authorization: Bearer <api key>`; keys are made with `trenova api-key create`"

WRITERS: AbstractSet[Role] = frozenset({"writer", "admin"})
READERS: AbstractSet[Role] = frozenset({"reader", "admin"})
ADMINS: AbstractSet[Role] = frozenset({"admin"})
ANYONE: AbstractSet[Role] = WRITERS | READERS
# A route names its roles in its `opt` under this key. A route without them is refused to everybody.
ROLES = "roles"
# A route with this in its `opt` also takes keys from memory while the database is unreachable: it works without one,
# and tells nobody what is stored.
WITHOUT_DATABASE = "without_database"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The holder of a good API key."""

    key_id: str
    tenant: str | None
    """None: any tenant."""
    role: Role

    @property
    def share(self) -> Share:
        """Whose part of what this server can do the caller uses up: a tenant has one, however many keys."""
        return ("key", self.key_id) if self.tenant is None else ("tenant", self.tenant)

    def tenant_to_read(self, asked: str | None) -> str | None:
        """The tenant a search is limited to; None is every tenant."""
        if self.tenant is not None and asked not in {None, self.tenant}:
            raise Forbidden(f"this API key reads the tenant {self.tenant} only")
        return self.tenant or asked


async def caller(request: Request[Any, Any, Any], services: NamedDependency[Services]) -> Caller:
    """The dependency of every route that asks for a key."""
    options = request.route_handler.opt
    return await authenticated(
        request,
        services.lookups,
        options.get(ROLES, frozenset()),
        from_memory=options.get(WITHOUT_DATABASE, False),
    )


async def authenticated(
    request: Request[Any, Any, Any], lookups: KeyLookups, roles: AbstractSet[Role], *, from_memory: bool = False
) -> Caller:
    """The caller, if the key is good and has one of the roles.

    It is looked up each time: a revoked key stops at once. `from_memory` only while nobody reaches the database.
    """
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != SCHEME or not key.strip():
        raise Unauthenticated("an API key is needed", hint=KEY_HINT)
    found = await lookups.find(key.strip(), from_memory=from_memory)
    if found is None:
        raise Unauthenticated("the API key is unknown or revoked", hint=KEY_HINT)
    if found.role not in roles:
        raise Forbidden(f"a key with the role {found.role} may not do this; it takes {' or '.join(sorted(roles))}")
    if isinstance(found, RememberedKey):
        REMEMBERED_KEYS_USED.inc()
    return Caller(key_id=found.id, tenant=found.tenant, role=found.role)
