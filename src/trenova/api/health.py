"""Whether the process lives, and whether it can do its work."""

import asyncio

import msgspec
import structlog
from litestar import Response, get
from litestar.di import NamedDependency
from temporalio.client import Client
from temporalio.service import RPCError

from trenova.api.auth import WRITERS
from trenova.api.database_watch import DatabaseWatch
from trenova.api.key_lookups import KeyLookups
from trenova.api.openapi import WithoutKey, answers, problems
from trenova.api.recent import Recent
from trenova.api.services import Services
from trenova.codec.trial import try_codec
from trenova.errors import DatabaseFault, StatementTimeout, TrenovaError, Unavailable
from trenova.ingest import Spool
from trenova.store import Store
from trenova.store.closed import reason_of

log = structlog.get_logger()

CHECK_TIMEOUT_S = 5
KEEP_S = 1.0
NO_ANSWER = "away (no answer in time)"


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """`ok`, or what is wrong, for each part that the API needs."""

    ready: bool
    temporal: str
    """With a spool that has room, entries are taken in while this is away, and the process is ready."""
    database: str
    """While this is unreachable, entries are taken in from whoever has a key that it confirmed lately."""
    keys: str
    """Whether this process can read what it encrypts. What others have sent is no part of this."""
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
    """Ask Temporal and the database, and try this process's own keys. 200 when entries can be taken in, else 503."""
    temporal, database, keys = await services.parts.get()
    spool = services.ingest.spool
    takes_in = temporal == "ok" or (spool is not None and not spool.is_full)
    lets_in = database == "ok" or takes_remembered_keys(services.lookups)
    ready = Ready(
        ready=takes_in and lets_in and keys == "ok",
        temporal=temporal,
        database=database,
        keys=keys,
        spool=told(spool),
    )
    return Response(content=ready, status_code=200 if ready.ready else 503)


def takes_remembered_keys(lookups: KeyLookups) -> bool:
    return lookups.watch.is_unreachable and lookups.memory.has_any(WRITERS)


def parts_of(client: Client, store: Store, lookups: KeyLookups) -> Recent[tuple[str, str, str]]:
    """Temporal, the database and the keys, looked at once for all who ask at the same time.

    Nobody needs a key to ask. A flood of questions must not take the connections that the answer needs.
    """

    async def ask() -> tuple[str, str, str]:
        return await asyncio.gather(
            check_temporal(client),
            check_database(store, lookups.watch),
            try_codec(client.data_converter.payload_codec),
        )

    return Recent(ask, keep_s=KEEP_S)


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


async def check_database(store: Store, watch: DatabaseWatch) -> str:
    """`ok`, or what is wrong, in words for anybody: what the database itself says names it, and is in the log."""
    if watch.reason is None:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                return await answer_of(store, watch)
        except TimeoutError:
            watch.doubt()
    return NO_ANSWER if watch.reason is None else f"unreachable: {watch.reason.plain}"


async def answer_of(store: Store, watch: DatabaseWatch) -> str:
    try:
        await store.check()
    except StatementTimeout as error:
        log.warning("database is not ready", error=error.message, hint=error.hint)
        return "too slow"
    except Unavailable as error:
        await watch.settle()
        if watch.reason is not None:
            return f"unreachable: {watch.reason.plain}"
        log.warning("database is not ready", error=error.message, hint=error.hint)
        return f"away: {reason_of(error.message).plain}"
    except DatabaseFault as error:
        log.warning("database is not ready", error=error.message, hint=error.hint)
        return "it refuses this program; the log says why"
    except TrenovaError as error:
        return error.message
    return "ok"
