"""Temporal's remote codec endpoint: it decrypts payloads for callers that may use it.

It is a decryption oracle, so it is off unless `api.codec.enabled`. With `authorize` it needs an admin key for any
tenant or, from pages of the Web UI, a session opened with such a key (`sign_in`). Without `authorize` the API must
listen on a loopback address, and answers only requests whose Host names one: a page of another site that rebinds its
name to this machine sends its own name. Browsers are admitted by the Web UI's origins only (CORS), and only
`application/json` is read, for which a browser always sends a preflight.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from litestar import HttpMethod, Request, Response, Router, post, route
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath

from trenova.api.auth import ACCESS, ADMINS, PUBLIC, Access, authenticate, check_role
from trenova.api.key_lookups import KeyLookups
from trenova.api.problems import HANDLERS
from trenova.api.remembered_keys import RememberedKey
from trenova.api.services import Services
from trenova.api.sessions import COOKIE, Session, Sessions, sessions_of
from trenova.codec import endpoint
from trenova.codec.compose import payload_codec
from trenova.codec.layered_codec import LayeredCodec
from trenova.config import MIB, ApiSettings, CodecEndpointSettings, SecuritySettings
from trenova.errors import Forbidden, InvalidConfiguration, Unauthenticated, UnsupportedMediaType
from trenova.keys.keyring import Keyring
from trenova.runtime.http.body import read_body
from trenova.runtime.http.byte_budget import ByteBudget, Reservation, Share
from trenova.store.api_keys import ApiKey

PATH = "/codec"
# Twice Temporal's own message limit; the Web UI sends a page of history payload by payload.
MAX_BODY_BYTES = 8 * MIB
PREFLIGHT_SECONDS = "600"
HOST_HEADER = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(:\d*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCodec:
    """The codec, and the rules for its use."""

    codec: LayeredCodec
    settings: CodecEndpointSettings
    sessions: Sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecUser:
    """An admitted user of the codec: whose share of this server it uses, and the cookie to answer with, if any."""

    share: Share
    cookie: str | None = None


def remote_codec(api: ApiSettings, security: SecuritySettings, keyring: Keyring) -> RemoteCodec | None:
    """The codec of the endpoint; None when it is off. Raises InvalidConfiguration if the whole network could use it."""
    if not api.codec.enabled:
        return None
    if not api.codec.authorize and not is_loopback(api.host):
        raise InvalidConfiguration(
            [f"api.codec.authorize: false given with api.host {api.host}, expected true or a loopback address"],
            hint="without authorization, everyone who reaches this address could decrypt everything",
        )
    # Strict mode is for workers: payloads from before it was turned on must stay readable here.
    codec = payload_codec(security.model_copy(update={"require_encryption": False}), keyring)
    return RemoteCodec(codec=codec, settings=api.codec, sessions=sessions_of(keyring))


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def host_of(host_header: str) -> str:
    """The host name or address without the port; empty if there is none."""
    match = HOST_HEADER.fullmatch(host_header)
    return match[1] if match else ""


@post(["/encode", "/{namespace:str}/encode"], status_code=200, summary="Encode payloads", tags=["codec"])
async def encode(
    request: Request[Any, CodecUser, Any],
    services: NamedDependency[Services],
    remote: NamedDependency[RemoteCodec],
    namespace: FromPath[str] = "",
) -> Response[bytes]:
    """Compress and encrypt payloads as a worker would, for example input from Temporal's CLI."""
    del namespace  # one keyring serves all namespaces
    with services.body_budget.reserve(request.auth.share) as reservation:
        body = await read_json_body(request, services.body_budget, reservation)
        return codec_response(request, remote, await endpoint.encode(remote.codec, body))


@post(["/decode", "/{namespace:str}/decode"], status_code=200, summary="Decode payloads", tags=["codec"])
async def decode(
    request: Request[Any, CodecUser, Any],
    services: NamedDependency[Services],
    remote: NamedDependency[RemoteCodec],
    namespace: FromPath[str] = "",
) -> Response[bytes]:
    """Decode payloads with this API's keys. One that cannot be read is returned as a text that says why."""
    del namespace
    with services.body_budget.reserve(request.auth.share) as reservation:
        body = await read_json_body(request, services.body_budget, reservation)
        # The Web UI does not show errors of the endpoint, only the ciphertext, so the payload carries the reason.
        return codec_response(request, remote, await endpoint.decode(remote.codec, body, explain=True))


@route(
    ["/encode", "/decode", "/{namespace:str}/encode", "/{namespace:str}/decode"],
    http_method=[HttpMethod.OPTIONS],
    opt={ACCESS: PUBLIC},
    include_in_schema=False,
)
async def preflight(
    request: Request[Any, Any, Any], remote: NamedDependency[RemoteCodec], namespace: FromPath[str] = ""
) -> Response[None]:
    """Answer a browser's CORS preflight. It reveals no secret, so it needs no key."""
    del namespace
    allowed = {
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "content-type,x-namespace,authorization",
        "Access-Control-Max-Age": PREFLIGHT_SECONDS,
    }
    origin = cors_headers(request, remote)
    return Response(content=None, status_code=204, headers=origin | allowed if len(origin) > 1 else origin)


def access_of(remote: RemoteCodec) -> Access:
    async def admit_user(request: Request[Any, Any, Any], services: Services) -> CodecUser:
        return await admit(request, services.lookups, remote)

    return admit_user


async def admit(request: Request[Any, Any, Any], lookups: KeyLookups, remote: RemoteCodec) -> CodecUser:
    """Admit an admin key, a session or, with `authorize` off, requests to a loopback address."""
    admitted = CodecUser(share=("codec", "loopback"))
    if remote.settings.authorize:
        admitted = await authorize_user(request, lookups, remote)
    elif not is_loopback(host_of(request.headers.get("host", ""))):
        raise Forbidden(
            "the codec endpoint answers only on a loopback address",
            note="turn api.codec.authorize on to use another address",
        )
    origin = request.headers.get("origin")
    if origin is not None and origin not in remote.settings.ui_origins:
        raise Forbidden(f"pages of {origin} may not use the codec endpoint", note="add it to api.codec.uiOrigins")
    return admitted


async def authorize_user(request: Request[Any, Any, Any], lookups: KeyLookups, remote: RemoteCodec) -> CodecUser:
    """The holder of an admin key, or a page of the Web UI in a browser that has a session.

    Pages of other sites cannot use the session: the browser does not send them the cookie, and names their origin.
    """
    session = None if "authorization" in request.headers else session_of(request, remote)
    if session is None:
        caller = await authenticate(request, lookups, ADMINS)
        check_tenant(caller.tenant)
        return CodecUser(share=caller.share)
    if request.headers.get("origin") is None:
        raise Forbidden("a session opens the codec endpoint to pages of the Web UI only")
    key = await lookups.find(session.key)
    if key is None:
        raise Unauthenticated("the API key of this session is revoked", hint="sign in with another: /codec/sign-in")
    check_admin(key)
    renewed = remote.sessions.renew(session)
    return CodecUser(share=("key", key.id), cookie=None if renewed is None else remote.sessions.cookie(renewed))


def session_of(request: Request[Any, Any, Any], remote: RemoteCodec) -> Session | None:
    """The session in the browser's cookie, if it is valid. The caller must check that its key still is."""
    cookie = request.cookies.get(COOKIE)
    return None if cookie is None else remote.sessions.read(cookie)


def check_admin(key: ApiKey | RememberedKey) -> None:
    check_role(key, ADMINS)
    check_tenant(key.tenant)


def check_tenant(tenant: str | None) -> None:
    if tenant is not None:
        raise Forbidden("payloads hold entries of all tenants; this API key is for one tenant")


async def read_json_body(request: Request[Any, Any, Any], budget: ByteBudget, reservation: Reservation) -> bytes:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMediaType(f"the content type {kind or '(none)'} is not supported; send application/json")
    return await read_body(request, max_bytes=MAX_BODY_BYTES, budget=budget, reservation=reservation)


def codec_response(request: Request[Any, CodecUser, Any], remote: RemoteCodec, body: bytes) -> Response[bytes]:
    renewed = {} if request.auth.cookie is None else {"Set-Cookie": request.auth.cookie}
    return Response(content=body, media_type="application/json", headers=cors_headers(request, remote) | renewed)


def cors_headers(request: Request[Any, Any, Any], remote: RemoteCodec) -> dict[str, str]:
    origin = request.headers.get("origin", "")
    if origin not in remote.settings.ui_origins:
        return {"Vary": "Origin"}
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true", "Vary": "Origin"}


def with_cors(handle: Callable[..., Response[Any]], remote: RemoteCodec) -> Callable[..., Response[Any]]:
    """The error handler with CORS headers: the Web UI reports an error that it may not read as a lost connection."""

    def handle_with_cors(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        response = handle(request, error)
        response.headers.update(cors_headers(request, remote))
        return response

    return handle_with_cors


def router(remote: RemoteCodec) -> Router:
    async def provide() -> RemoteCodec:
        return remote

    return Router(
        path=PATH,
        opt={ACCESS: access_of(remote)},
        # The preflight first: Litestar adds its own OPTIONS handler to a route that has none by then.
        route_handlers=[preflight, encode, decode],
        dependencies={"remote": Provide(provide)},
        exception_handlers={kind: with_cors(handle, remote) for kind, handle in HANDLERS.items()},
        request_max_body_size=MAX_BODY_BYTES,
    )
