"""The API as others see it: alive, ready, and its codec endpoint as a browser would ask it."""

import uuid
from collections.abc import Mapping
from http import HTTPStatus

import httpx
import msgspec

from trenova.cli.doctor.checkup import Check
from trenova.cli.doctor.finding import Kind, Verdict, failed, ok, unchecked, warning
from trenova.cli.doctor.scene import Scene

NOBODYS_ORIGIN = "https://trenova-doctor.invalid"
ASKED_HEADERS = frozenset({"content-type", "x-namespace"})
PARTS = ("temporal", "database", "keys")


async def alive(scene: Scene) -> Verdict:
    url = scene.asked.api_url
    try:
        answer = await scene.api.get("/livez")
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


async def ready(scene: Scene) -> Verdict:
    answer = await scene.api.get("/readyz")
    try:
        parts = msgspec.json.decode(answer.content, type=dict[str, bool | str])
    except msgspec.DecodeError:
        return failed(f"/readyz answers {answer.status_code}, and not as the API does", "correct --api-url")
    wrong = [f"{part}: {parts[part]}" for part in PARTS if parts.get(part, "ok") != "ok"]
    if answer.status_code != HTTPStatus.OK:
        return failed(
            f"the API takes no entries in: {'; '.join(wrong)}",
            "mend that part as it is named here; where it is ok from here, the API has other settings: compare them",
        )
    if parts.get("database", "ok") != "ok":
        return warning(
            f"the API takes entries in with API keys that it remembers: {'; '.join(wrong)}",
            "mend the database, or the API's way to it; do not restart the API, which would forget them",
        )
    if wrong:
        return warning(f"the API takes entries into its spool: {'; '.join(wrong)}", "mend that part")
    return ok("takes entries in")


async def key(scene: Scene) -> Verdict:
    """A batch that cannot be is looked for: any key may, and it costs nothing."""
    if scene.asked.api_key is None:
        return unchecked("no API key was given (TRENOVA_API_KEY)")
    answer = await scene.api.get(f"/v1/batches/{uuid.UUID(int=0)}")
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        return failed(
            "the API key is unknown or revoked",
            "make one with `trenova api-key create --tenant T --role R`, and set TRENOVA_API_KEY",
        )
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return failed(f"the API cannot look keys up: {answer.status_code}", "mend the database, which keeps them")
    return ok("is good")


async def codec(scene: Scene) -> Verdict:
    """Ask as a browser does before it lets a page of the Web UI call, and once as a page that must not."""
    origins = scene.asked.ui_origins
    if not origins and not scene.settings.api.codec.enabled:
        return ok("off")
    if not origins:
        return warning(
            "the codec endpoint is on, and no Web UI's pages may call it",
            "set api.codec.uiOrigins to the Web UI's address, as https://temporal.example.com",
        )
    for origin in origins:
        answer = await preflight(scene, origin)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return failed("the API serves no codec endpoint", "set api.codec.enabled: true there, and start it again")
        if problem := refusal(origin, answer.headers):
            return failed(
                f"CORS: a browser will not let pages of {origin} call the codec endpoint: {problem}",
                f"add {origin} to the API's api.codec.uiOrigins and start it again; a proxy in front must pass OPTIONS "
                "and the Access-Control-… headers on",
            )
    stranger = (await preflight(scene, NOBODYS_ORIGIN)).headers.get("access-control-allow-origin")
    if stranger in {NOBODYS_ORIGIN, "*"}:
        return failed(
            "CORS: pages of any site may call the codec endpoint, which decrypts",
            "let api.codec.uiOrigins alone decide: take Access-Control-Allow-Origin out of the proxy in front",
        )
    return ok(f"pages of {' and '.join(origins)} may call it, and others may not")


async def preflight(scene: Scene, origin: str) -> httpx.Response:
    return await scene.api.options(
        "/codec/decode",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": ",".join(sorted(ASKED_HEADERS)),
        },
    )


def refusal(origin: str, headers: Mapping[str, str]) -> str | None:
    """Why a browser would refuse; None when it would not."""
    allowed = headers.get("access-control-allow-origin")
    if allowed is None:
        return "it answers without Access-Control-Allow-Origin"
    if allowed != origin:
        return f"it lets in pages of {allowed[:80]}"
    if "post" not in words(headers.get("access-control-allow-methods", "")):
        return "it does not allow POST"
    missing = ASKED_HEADERS - words(headers.get("access-control-allow-headers", ""))
    return f"it does not allow the header {min(missing)}" if missing else None


def words(header: str) -> set[str]:
    return {word.strip().lower() for word in header.split(",")}


CHECKS = (
    Check("api", Kind.API, alive),
    Check("api readiness", Kind.API, ready, ("api",)),
    Check("api key", Kind.API, key, ("api",)),
    Check("codec endpoint", Kind.API, codec, ("api",)),
)
