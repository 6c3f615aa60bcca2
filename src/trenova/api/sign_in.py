"""The sign-in page: an admin key opens the codec endpoint to the Web UI in the same browser, through a session cookie.

The page has no scripts: a form sends the key in the body of a POST to this origin, never in a URL. The Web UI's pages
then send the cookie with their calls ("Include cross-origin credentials").
"""

import base64
import hashlib
import html
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

import msgspec
import structlog
from litestar import MediaType, Request, Response, Router, get, post
from litestar.di import NamedDependency, Provide

from trenova.api.auth import ACCESS, PUBLIC
from trenova.api.codec import PATH, RemoteCodec, check_admin, is_loopback, session_of
from trenova.api.problems import Problem, answer_our_error
from trenova.api.services import Services
from trenova.api.sessions import EXPIRED_COOKIE
from trenova.config import KIB
from trenova.errors import Forbidden, InvalidRequest, TrenovaError, Unauthenticated, UnsupportedMediaType
from trenova.runtime.http.body import read_body
from trenova.store.api_keys import parse_key

log = structlog.get_logger()

FORM = "application/x-www-form-urlencoded"
MAX_FORM_BYTES = 4 * KIB
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:4rem auto;padding:0 1rem}"
    "input,button{font:inherit;padding:.4rem .6rem}input{width:100%;box-sizing:border-box;margin:.4rem 0}"
    ".error{border-left:4px solid #b00;padding-left:.8rem}"
)
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    # The browser must send the form's origin, so that this page can be distinguished from others.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
SIGN_IN_FORM = """<p>An admin key for any tenant opens the codec endpoint to this browser. The session ends after half
an hour without use, and after eight hours in any case. The key is sent to this server only, and is not kept.</p>
<form method="post" action="sign-in">
<label>API key <input type="password" name="key" autocomplete="off" required autofocus></label>
<button>Sign in</button>
</form>"""
SIGN_OUT_FORM = """<form method="post" action="sign-out"><button>Sign out</button></form>"""


def error_page(request: Request[Any, Any, Any], error: TrenovaError) -> Response[str]:
    """The page with an error, which is logged and counted like any other."""
    response = answer_our_error(request, error)
    problem = msgspec.json.decode(response.content, type=Problem)
    why = f'<p class="error" role="alert">{escape(problem.detail)}</p>'
    hint = f"<p>{escape(problem.hint)}</p>" if problem.hint else ""
    if problem.request_id:
        hint += f"<p>Request id: {escape(problem.request_id)}</p>"
    return page("Sign in", why + hint + SIGN_IN_FORM, status=problem.status, headers=response.headers)


@get("/sign-in", include_in_schema=False)
async def show_page(
    request: Request[Any, Any, Any], services: NamedDependency[Services], remote: NamedDependency[RemoteCodec]
) -> Response[str]:
    """Show the form, or the key that is signed in."""
    session = session_of(request, remote)
    key = None if session is None else await services.lookups.find(session.key)
    if key is None:
        return page("Sign in", SIGN_IN_FORM)
    origins = "".join(
        f'<li><a href="{escape(origin)}" rel="noreferrer">{escape(origin)}</a></li>'
        for origin in remote.settings.ui_origins
    )
    content = (
        f"<p>This browser is signed in with the API key {escape(key.id)}. It can decode payloads in</p>"
        f"<ul>{origins}</ul>"
    )
    return page("Signed in", content + SIGN_OUT_FORM)


@post("/sign-in", include_in_schema=False, status_code=303)
async def sign_in(
    request: Request[Any, Any, Any], services: NamedDependency[Services], remote: NamedDependency[RemoteCodec]
) -> Response[str]:
    """Open a session for the key in the form, and redirect, so that reloading the page does not send the key again."""
    check_same_origin(request)
    with services.body_budget.reserve(("codec", "sign-in")) as reservation:
        body = await read_body(request, max_bytes=MAX_FORM_BYTES, budget=services.body_budget, reservation=reservation)
    presented = parse_key(key_from_form(request, body))
    key = await services.lookups.find(presented)
    if key is None:
        raise Unauthenticated("the API key is unknown or revoked")
    check_admin(key)
    log.info("signed in", key_id=key.id)
    cookie = remote.sessions.cookie(remote.sessions.open(presented))
    return Response(content="", status_code=303, headers={**HEADERS, "Location": "sign-in", "Set-Cookie": cookie})


@post("/sign-out", include_in_schema=False, status_code=303)
async def sign_out(request: Request[Any, Any, Any]) -> Response[str]:
    """Delete the cookie. A copy of it stays valid until the session or the API key ends."""
    check_same_origin(request)
    return Response(
        content="", status_code=303, headers={**HEADERS, "Location": "sign-in", "Set-Cookie": EXPIRED_COOKIE}
    )


def check_same_origin(request: Request[Any, Any, Any]) -> None:
    """Raise Forbidden for a form from a page of another origin, and for plain HTTP, over which cookies are not kept."""
    origin = origin_of(request)
    fetch_site = request.headers.get("sec-fetch-site")
    # Behind a proxy, `Host` may differ from the host that the browser sees, so the browser's own header is preferred.
    same = (
        fetch_site == "same-origin"
        if fetch_site is not None
        else bool(origin.netloc) and origin.netloc == request.headers.get("host")
    )
    if not same:
        raise Forbidden(
            "only the sign-in page itself may send this form",
            hint="open the page in the browser, and send the form there",
        )
    if origin.scheme != "https" and not is_loopback(origin.hostname or ""):
        raise Forbidden(
            "a browser keeps the session cookie only over https, or on this machine itself",
            hint="put TLS in front of the API, and open this page at its https address",
        )


def origin_of(request: Request[Any, Any, Any]) -> SplitResult:
    """The parts of the header `Origin`; all empty if it is not a URL."""
    try:
        return urlsplit(request.headers.get("origin", ""))
    except ValueError:
        return urlsplit("")


def key_from_form(request: Request[Any, Any, Any], body: bytes) -> str:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM:
        raise UnsupportedMediaType(f"the content type {kind or '(none)'} is not supported; send {FORM}")
    try:
        (key,) = parse_qs(body.decode("ascii"), max_num_fields=4)["key"]
    except (ValueError, KeyError):
        raise InvalidRequest("the form contains no API key", hint="paste the key into the field") from None
    return key.strip()


def page(
    title: str, content: str, *, status: int = 200, headers: Mapping[str, str] = MappingProxyType({})
) -> Response[str]:
    text = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Trenova: {title}</title><style>{STYLE}</style></head>
<body><h1>{title}</h1>
{content}
</body></html>
"""
    return Response(content=text, status_code=status, media_type=MediaType.HTML, headers={**headers, **HEADERS})


def escape(text: str) -> str:
    return html.escape(text)


def router(remote: RemoteCodec) -> Router:
    async def provide() -> RemoteCodec:
        return remote

    return Router(
        path=PATH,
        opt={ACCESS: PUBLIC},
        route_handlers=[show_page, sign_in, sign_out],
        dependencies={"remote": Provide(provide)},
        exception_handlers={TrenovaError: error_page},
        request_max_body_size=MAX_FORM_BYTES,
    )
