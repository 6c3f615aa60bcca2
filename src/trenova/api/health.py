"""Whether the process lives, and whether it can do its work."""

import asyncio

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from temporalio.client import Client
from temporalio.service import RPCError

from trenova.api.openapi import WithoutKey, answers, problems
from trenova.api.services import Services
from trenova.errors import TrenovaError
from trenova.ingest import Spool
from trenova.store import Store

CHECK_TIMEOUT_S = 5
NO_ANSWER = "away (no answer in time)"


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """`ok`, or what is wrong, for each part that the API needs."""

    ready: bool
    temporal: str
    """With a spool that has room, entries are taken in while this is away, and the process is ready."""
    database: str
    keys: str
    """Whether the keys here open what open workflows hold; if not, which key id is missing or wrong."""
    spool: str
    """`off`, `ok`, how many batches wait in it, or `full`."""


@get(
    "/livez",
    operation_class=WithoutKey,
    media_type="text/plain",
    summary="Is the process alive?",
    responses=problems(400),
    tags=["operation"],
)
async def livez() -> str:
    return "ok"


@get(
    "/readyz",
    operation_class=WithoutKey,
    summary="Can the process do its work?",
    responses={503: answers(Ready, "A part is away"), **problems(400)},
    tags=["operation"],
)
async def readyz(services: NamedDependency[Services]) -> Response[Ready]:
    """Ask Temporal and the database, and try the keys on open workflows. 200 when entries can be taken in, else 503."""
    temporal, database, keys = await asyncio.gather(
        check_temporal(services.client), check_database(services.store), services.open_keys.check()
    )
    spool = services.ingest.spool
    takes_in = temporal == "ok" or (spool is not None and not spool.is_full)
    ready = Ready(
        ready=takes_in and database == keys == "ok", temporal=temporal, database=database, keys=keys, spool=told(spool)
    )
    return Response(content=ready, status_code=200 if ready.ready else 503)


def told(spool: Spool | None) -> str:
    if spool is None:
        return "off"
    if not spool.room:
        return "ok"
    return ("full: " if spool.is_full else "") + f"batches that wait for Temporal: {len(spool.room)}"


async def check_temporal(client: Client) -> str:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            healthy = await client.service_client.check_health()
    except (RPCError, RuntimeError, TimeoutError) as error:
        return f"away ({type(error).__name__})"
    return "ok" if healthy else "does not serve"


async def check_database(store: Store) -> str:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await store.check()
    except TimeoutError:
        return NO_ANSWER
    except TrenovaError as error:
        return error.message
    return "ok"
