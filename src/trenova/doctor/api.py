"""The API as others see it: alive, ready, and its codec endpoint as a browser would ask it."""

import uuid
from collections.abc import Mapping
from http import HTTPStatus

import httpx
import msgspec

from trenova.doctor.checkup import Check
from trenova.doctor.context import CheckContext
from trenova.doctor.finding import Kind, Verdict, failed, ok, unchecked, warning
from trenova.doctor.worker_queries import find_newest_batch
from trenova.domain.batch import BATCH_WORKFLOW_PREFIX
from trenova.errors import TrenovaError, Unavailable
from trenova.runtime.connection.own_time import own_timeout
from trenova.store.api_keys import ApiKey

FOREIGN_ORIGIN = "https://trenova-doctor.invalid"
REQUESTED_HEADERS = frozenset({"content-type", "x-namespace"})
PARTS = ("temporal", "database", "keys")
LOOKUP_LIMIT_S = 3.0
COMPARE_SETTINGS = (
    "mend that part as it is named here; where it is ok from here, the API's own settings or its network are wrong: "
    "compare them with these"
)


async def check_alive(context: CheckContext) -> Verdict:
    url = context.options.api_url
    try:
        answer = await context.api.get("/livez")
    except (httpx.TransportError, httpx.InvalidURL) as error:
        return failed(
            f"no answer from {url}: {str(error) or type(error).__name__}",
            "start it (`make run`, or `trenova api`), or say where it is: --api-url or TRENOVA_API_URL",
        )
    if answer.status_code != HTTPStatus.OK or answer.text != "ok":
        return failed(
            f"{url}/livez answers {answer.status_code}, and not as the API does",
            "correct --api-url (TRENOVA_API_URL): something else listens there",
        )
    return ok(f"answers at {url}")


async def check_ready(context: CheckContext) -> Verdict:
    """What it says of its parts. One that is broken from here too is named by the check of that part."""
    answer = await context.api.get("/readyz")
    try:
        parts = msgspec.json.decode(answer.content, type=dict[str, bool | str])
    except msgspec.DecodeError:
        return failed(f"/readyz answers {answer.status_code}, and not as the API does", "correct --api-url")
    wrong = tuple(part for part in PARTS if parts.get(part, "ok") != "ok")
    said = "; ".join(f"{part}: {parts[part]}" for part in wrong)
    if answer.status_code != HTTPStatus.OK:
        return failed(f"the API is not ready: {said or 'it does not say why'}", COMPARE_SETTINGS, blames=wrong)
    if "database" in wrong:
        return warning(
            f"the API takes entries in with API keys that it remembers, and would forget when it is restarted: {said}",
            "mend the database, or the API's way to it; do not restart the API",
            blames=wrong,
        )
    if wrong:
        return warning(f"the API is ready, but not every part of it is well: {said}", COMPARE_SETTINGS, blames=wrong)
    return ok("takes entries in")


async def check_api_key(context: CheckContext) -> Verdict:
    """An entry that cannot be is asked for: any key may ask, it costs nothing, and Temporal is not needed."""
    if context.options.api_key is None:
        return unchecked("no API key was given (TRENOVA_API_KEY)")
    answer = await context.api.get(f"/v1/entries/{uuid.UUID(int=0)}")
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return failed(
            f"the API cannot look the key up: it answers {answer.status_code}",
            "look for `database` in its answer to /readyz, and for this request in its log (`make logs`)",
        )
    taken = answer.status_code != HTTPStatus.UNAUTHORIZED
    known = await is_key_known_here(context)
    if known is not None and known != taken:
        has, has_not = ("the database of these settings", "the API") if known else ("the API", "that database")
        return failed(
            f"the API uses another database than these settings: {has} knows the API key, and {has_not} does not",
            "compare the API's database.url with the one here: run this with the API's --config and environment",
            stands_alone=True,
        )
    if not taken:
        return failed(
            "the API key is unknown or revoked",
            "make one with `trenova api-key create --tenant T --role R`, and set TRENOVA_API_KEY",
            stands_alone=True,
        )
    return ok("is good")


async def is_key_known_here(context: CheckContext) -> bool | None:
    """Whether the key is good in the database of these settings; None where that does not tell."""
    try:
        return await find_key_here(context) is not None
    except (TimeoutError, TrenovaError):
        return None


async def find_key_here(context: CheckContext) -> ApiKey | None:
    """The API key in the database of these settings. Raises TimeoutError or what the database's refusal means."""
    if context.database is None or context.options.api_key is None:
        raise Unavailable("no database.url is given")
    async with own_timeout(LOOKUP_LIMIT_S):
        return await context.database.api_keys.find(context.options.api_key)


async def check_same_temporal(context: CheckContext) -> Verdict:
    """Whether the API sends to the Temporal of these settings: it must know a batch that is there."""
    latest = await find_newest_batch(context.client)
    if latest is None:
        return unchecked("there is no batch in Temporal by which to tell")
    answer = await context.api.get(f"/v1/batches/{latest.removeprefix(BATCH_WORKFLOW_PREFIX)}")
    if answer.status_code == HTTPStatus.OK and answer.json()["workflow_status"] != "expired":
        return ok("is the one of these settings")
    known = answer.status_code in {HTTPStatus.OK, HTTPStatus.NOT_FOUND}
    if not known or (answer.status_code == HTTPStatus.NOT_FOUND and not await reads_any_tenant(context)):
        return unchecked(f"the API does not tell this key of a batch ({answer.status_code})")
    return failed(
        f"the API uses another Temporal or namespace than these settings: it does not know {latest}, which is there",
        "compare the API's temporal.hostPort and temporal.namespace with those here and with those of the workers",
    )


async def reads_any_tenant(context: CheckContext) -> bool:
    """As far as the database of these settings knows: to the key of one tenant, batches of others are not there."""
    found = await find_key_here(context)
    return found is not None and found.tenant is None


async def check_codec_endpoint(context: CheckContext) -> Verdict:
    """Ask as a browser does before it lets a page of the Web UI call, and once as a page that must not."""
    origins = context.options.ui_origins
    if not origins and not context.settings.api.codec.enabled:
        return ok("off")
    if not origins:
        return warning(
            "the codec endpoint is on, and no Web UI's pages may call it",
            "set api.codec.uiOrigins to the Web UI's address, as https://temporal.example.com",
        )
    for origin in origins:
        answer = await send_preflight(context, origin)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return failed("the API serves no codec endpoint", "set api.codec.enabled: true there, and start it again")
        if problem := cors_problem(origin, answer.headers):
            return failed(
                f"CORS: a browser will not let pages of {origin} call the codec endpoint: {problem}",
                f"add {origin} to the API's api.codec.uiOrigins and start it again; a proxy in front must pass OPTIONS "
                "and the Access-Control-… headers on",
            )
    stranger = (await send_preflight(context, FOREIGN_ORIGIN)).headers.get("access-control-allow-origin")
    if stranger in {FOREIGN_ORIGIN, "*"}:
        return failed(
            "CORS: pages of any site may call the codec endpoint, which decrypts",
            "let api.codec.uiOrigins alone decide: take Access-Control-Allow-Origin out of the proxy in front",
        )
    return ok(f"pages of {' and '.join(origins)} may call it, and others may not")


async def send_preflight(context: CheckContext, origin: str) -> httpx.Response:
    return await context.api.options(
        "/codec/decode",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": ",".join(sorted(REQUESTED_HEADERS)),
        },
    )


def cors_problem(origin: str, headers: Mapping[str, str]) -> str | None:
    """Why a browser would refuse; None when it would not."""
    allowed = headers.get("access-control-allow-origin")
    if allowed is None:
        return "it answers without Access-Control-Allow-Origin"
    if allowed != origin:
        return f"it lets in pages of {allowed[:80]}"
    if "post" not in header_words(headers.get("access-control-allow-methods", "")):
        return "it does not allow POST"
    missing = REQUESTED_HEADERS - header_words(headers.get("access-control-allow-headers", ""))
    return f"it does not allow the header {min(missing)}" if missing else None


def header_words(header: str) -> set[str]:
    return {word.strip().lower() for word in header.split(",")}


CHECKS = (
    Check("api", Kind.API, check_alive, own_limit_s=None),
    Check("api readiness", Kind.API, check_ready, ("api",), own_limit_s=None),
    Check("api key", Kind.API, check_api_key, ("api",), own_limit_s=None),
    Check("api's temporal", Kind.API, check_same_temporal, ("api key", "temporal namespace"), own_limit_s=None),
    Check("codec endpoint", Kind.API, check_codec_endpoint, ("api",), own_limit_s=None),
)
