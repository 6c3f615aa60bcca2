"""The API as clients see it: alive, ready, and its codec endpoint as a browser would call it."""

import os
import uuid
from collections.abc import Mapping
from http import HTTPStatus

import httpx
import msgspec

from trenova.client.http import is_api_key
from trenova.doctor.checkup import Check
from trenova.doctor.context import CheckContext
from trenova.doctor.finding import Kind, Verdict, failure, not_checked, ok, warning
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
    "fix that part as its check here says; if its check is ok, the API's own settings or its network are wrong: "
    "compare them with these settings"
)


async def check_alive(context: CheckContext) -> Verdict:
    url = context.options.api_url
    try:
        answer = await context.api.get("/livez")
    except (httpx.TransportError, httpx.InvalidURL) as error:
        return failure(
            f"the API is unreachable at {url}: {connection_reason(error)}",
            "start it (`make run`, or `trenova api`), or give its address with --api-url or TRENOVA_API_URL",
        )
    if answer.status_code != HTTPStatus.OK or answer.text != "ok":
        return failure(
            f"{url}/livez answered {answer.status_code}, but not as the API does",
            "correct --api-url (TRENOVA_API_URL): another program listens there",
        )
    return ok(f"answers at {url}")


def connection_reason(error: Exception) -> str:
    """The operating system's reason, such as `Connection refused`; else the error's own message."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno is not None:
            return os.strerror(cause.errno) if cause.errno > 0 else str(cause.strerror)
        inner = cause.__cause__ or cause.__context__
        # A name with several addresses fails with one error for each.
        cause = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else inner
    return str(error) or type(error).__name__


async def check_ready(context: CheckContext) -> Verdict:
    """What the API reports on its parts. A part that is broken from here too has its own check."""
    answer = await context.api.get("/readyz")
    try:
        parts = msgspec.json.decode(answer.content, type=dict[str, bool | str])
    except msgspec.DecodeError:
        return failure(f"/readyz answered {answer.status_code}, but not as the API does", "correct --api-url")
    wrong = tuple(part for part in PARTS if parts.get(part, "ok") != "ok")
    problems = "; ".join(f"{part}: {parts[part]}" for part in wrong)
    if answer.status_code != HTTPStatus.OK:
        return failure(f"the API is not ready: {problems or 'it gives no reason'}", COMPARE_SETTINGS, blames=wrong)
    if "database" in wrong:
        return warning(
            f"the API accepts entries only with API keys in its memory, which a restart would lose: {problems}",
            "fix the database, or the API's connection to it; do not restart the API",
            blames=wrong,
        )
    if wrong:
        return warning(f"the API is ready, but reports a problem: {problems}", COMPARE_SETTINGS, blames=wrong)
    return ok("accepts entries")


async def check_api_key(context: CheckContext) -> Verdict:
    """Requests an entry that cannot exist: any key may do so, it costs nothing, and it does not need Temporal."""
    if context.options.api_key is None:
        return not_checked("no API key is given (TRENOVA_API_KEY)")
    if not is_api_key(context.options.api_key):
        return failure(
            "the API key contains a line end or another character that no API key has",
            "copy the API key again, and set TRENOVA_API_KEY",
            stands_alone=True,
        )
    answer = await context.api.get(f"/v1/entries/{uuid.UUID(int=0)}")
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return failure(
            f"the API cannot look up the API key: it answered {answer.status_code}",
            "look at `database` in its answer to /readyz, and for this request in its log (`make logs`)",
        )
    is_accepted = answer.status_code != HTTPStatus.UNAUTHORIZED
    is_known = await is_key_known_here(context)
    if is_known is not None and is_known != is_accepted:
        has, has_not = ("the database of these settings", "the API") if is_known else ("the API", "that database")
        return failure(
            f"the API uses another database than these settings: {has} knows the API key, but {has_not} does not",
            "compare the API's database.url with the one here: run this with the API's --config and environment",
            stands_alone=True,
        )
    if not is_accepted:
        return failure(
            "the API key is unknown or revoked",
            "create one with `trenova api-key create --tenant T --role R`, and set TRENOVA_API_KEY",
            stands_alone=True,
        )
    return ok("is valid")


async def is_key_known_here(context: CheckContext) -> bool | None:
    """Whether the key is valid in the database of these settings; None if that database cannot be read."""
    try:
        return await find_key_here(context) is not None
    except (TimeoutError, TrenovaError):
        return None


async def find_key_here(context: CheckContext) -> ApiKey | None:
    """The API key in the database of these settings. Raises TimeoutError, or the store's error."""
    if context.database is None or context.options.api_key is None:
        raise Unavailable("no database.url is configured")
    async with own_timeout(LOOKUP_LIMIT_S):
        return await context.database.api_keys.find(context.options.api_key)


async def check_same_temporal(context: CheckContext) -> Verdict:
    """Whether the API uses the Temporal of these settings: then it knows a batch from there."""
    latest = await find_newest_batch(context.client)
    if latest is None:
        return not_checked("Temporal has no batch about which the API could be asked")
    answer = await context.api.get(f"/v1/batches/{latest.removeprefix(BATCH_WORKFLOW_PREFIX)}")
    if answer.status_code == HTTPStatus.OK and answer.json()["workflow_status"] != "expired":
        return ok("is the one of these settings")
    is_clear = answer.status_code in {HTTPStatus.OK, HTTPStatus.NOT_FOUND}
    if not is_clear or (answer.status_code == HTTPStatus.NOT_FOUND and not await reads_any_tenant(context)):
        return not_checked(
            f"this API key may not read the batches of every tenant (the API answered {answer.status_code})"
        )
    return failure(
        f"the API uses another Temporal or namespace than these settings: it does not know {latest}, which is in these",
        "compare the API's temporal.hostPort and temporal.namespace with those here and with those of the workers",
    )


async def reads_any_tenant(context: CheckContext) -> bool:
    """According to the database of these settings. A key of one tenant does not see the batches of others."""
    key = await find_key_here(context)
    return key is not None and key.tenant is None


async def check_codec_endpoint(context: CheckContext) -> Verdict:
    """Sends the CORS preflight requests of a browser, for pages of each Web UI and for one that must be denied."""
    origins = context.options.ui_origins
    if not origins and not context.settings.api.codec.enabled:
        return ok("is off")
    if not origins:
        return warning(
            "the codec endpoint is on, but pages of no Web UI may call it",
            "set api.codec.uiOrigins to the Web UI's address, such as https://temporal.example.com",
        )
    for origin in origins:
        answer = await send_preflight(context, origin)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return failure(
                "the API serves no codec endpoint", "set api.codec.enabled: true in its settings, and restart it"
            )
        if problem := cors_problem(origin, answer.headers):
            return failure(
                f"CORS: a browser will not let pages of {origin} call the codec endpoint: {problem}",
                f"add {origin} to the API's api.codec.uiOrigins and restart it; a proxy in front must forward OPTIONS "
                "and the Access-Control-… headers",
            )
    allowed = (await send_preflight(context, FOREIGN_ORIGIN)).headers.get("access-control-allow-origin")
    if allowed in {FOREIGN_ORIGIN, "*"}:
        return failure(
            "CORS: pages of any site may call the codec endpoint, which decrypts payloads",
            "only api.codec.uiOrigins should decide: remove Access-Control-Allow-Origin from the proxy in front",
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
    """Why a browser would block the call; None if it would not."""
    allowed = headers.get("access-control-allow-origin")
    if allowed is None:
        return "it answers without Access-Control-Allow-Origin"
    if allowed != origin:
        return f"it allows only pages of {allowed[:80]}"
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
