"""Whether the process lives, and whether it can do its work."""

import asyncio

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from temporalio.client import Client
from temporalio.service import RPCError

from trenova.errors import TrenovaError
from trenova.store import Store

CHECK_TIMEOUT_S = 5


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """`ok`, or what is wrong, for each part that the API needs."""

    ready: bool
    temporal: str
    database: str


@get("/livez", security=[], media_type="text/plain", summary="Is the process alive?", tags=["operation"])
async def livez() -> str:
    return "ok"


@get("/readyz", security=[], summary="Can the process do its work?", tags=["operation"])
async def readyz(store: NamedDependency[Store], client: NamedDependency[Client]) -> Response[Ready]:
    """Ask Temporal and the database. 200 when both answer, else 503."""
    temporal, database = await asyncio.gather(check_temporal(client), check_database(store))
    ready = Ready(ready=temporal == database == "ok", temporal=temporal, database=database)
    return Response(content=ready, status_code=200 if ready.ready else 503)


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
        return "away (no answer in time)"
    except TrenovaError as error:
        return error.message
    return "ok"
