"""Whether the process lives, and whether it can do its work."""

import asyncio
from datetime import timedelta

import msgspec
import structlog
from litestar import Response, get
from litestar.di import NamedDependency
from temporalio.client import Client

from trenova.api.auth import ACCESS, PUBLIC, WRITERS
from trenova.api.cached_answer import CachedAnswer
from trenova.api.database_watch import DOUBT_AFTER_S, DatabaseWatch
from trenova.api.key_lookups import KeyLookups
from trenova.api.openapi import WithoutKey, answers, problems
from trenova.api.services import Services
from trenova.codec.self_test import try_codec
from trenova.errors import (
    DatabaseFault,
    StatementTimeout,
    TemporalDenied,
    TemporalUnreachable,
    TrenovaError,
    Unavailable,
)
from trenova.ingest import Breaker, Spool
from trenova.runtime.connection import ConnectionFault, check_reachable
from trenova.store import Store
from trenova.store.connection_errors import reason_of

log = structlog.get_logger()

CHECK_TIMEOUT_S = 5
MAX_AGE_S = 1.0
ASK_LIMIT = timedelta(seconds=CHECK_TIMEOUT_S)
NO_ANSWER = "away (no answer in time)"


class Ready(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`ok`, or what is wrong, for each part that the API needs."""

    ready: bool
    temporal: str
    """With a spool that has room, entries are taken in while it is unreachable, and the process is ready; not while it
    refuses this server."""
    temporal_hint: str = ""
    """What an operator can do about it; left out when it is ok."""
    database: str
    """While this is unreachable, entries are taken in from whoever has a key that it confirmed lately."""
    keys: str
    """Whether this process can read what it encrypts. What others have sent is no part of this."""
    spool: str
    """`off`, `ok`, how many batches wait in it, or `full`."""


@get(
    "/livez",
    opt={ACCESS: PUBLIC},
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
    opt={ACCESS: PUBLIC},
    operation_class=WithoutKey,
    summary="Can the process do its work?",
    responses={503: answers(Ready, "A part is away"), **problems(400)},
    tags=["operation"],
)
async def readyz(services: NamedDependency[Services]) -> Response[Ready]:
    """Ask Temporal and the database, and try this process's own keys. 200 when entries can be taken in, else 503."""
    fault, database, keys = await services.parts.get()
    spool = services.ingest.spool
    # What Temporal refuses is not spooled: it might never be delivered.
    spools = isinstance(fault, TemporalUnreachable) and spool is not None and not spool.is_full
    lets_in = database == "ok" or accepts_remembered_keys(services.lookups)
    ready = Ready(
        ready=(fault is None or spools) and lets_in and keys == "ok",
        temporal="ok" if fault is None else fault.message,
        temporal_hint="" if fault is None else fault.hint or "",
        database=database,
        keys=keys,
        spool=spool_state(spool),
    )
    return Response(content=ready, status_code=200 if ready.ready else 503)


def accepts_remembered_keys(lookups: KeyLookups) -> bool:
    return lookups.watch.is_unreachable and lookups.memory.has_any(WRITERS)


Checks = tuple[ConnectionFault | None, str, str]


def cached_checks(client: Client, store: Store, breaker: Breaker, lookups: KeyLookups) -> CachedAnswer[Checks]:
    """Temporal, the database and the keys, looked at once for all who ask at the same time.

    Nobody needs a key to ask. A flood of questions must not take the connections that the answer needs.
    """

    async def ask() -> Checks:
        return await asyncio.gather(
            check_temporal(client, breaker),
            check_database(store, lookups.watch),
            try_codec(client.data_converter.payload_codec),
        )

    return CachedAnswer(ask, keep_s=MAX_AGE_S)


def spool_state(spool: Spool | None) -> str:
    if spool is None:
        return "off"
    if not spool.file_bytes:
        return "ok"
    return ("full: " if spool.is_full else "") + f"batches that wait for Temporal: {len(spool.file_bytes)}"


async def check_temporal(client: Client, breaker: Breaker) -> ConnectionFault | None:
    """What is known to be wrong, else what a question to Temporal finds."""
    if breaker.fault is not None:
        return breaker.fault
    try:
        await check_reachable(client, ASK_LIMIT)
    except (TemporalUnreachable, TemporalDenied) as fault:
        # From now on it is asked every second, and its return is noticed.
        breaker.doubt()
        return fault
    return None


async def check_database(store: Store, watch: DatabaseWatch) -> str:
    """`ok`, or what is wrong, in words for anybody: what the database itself says names it, and is in the log."""
    if watch.reason is None:
        # Before the limit, so that the next who asks is told what the probes have found meanwhile.
        doubt = asyncio.get_running_loop().call_later(DOUBT_AFTER_S, watch.doubt)
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                return await query_database(store, watch)
        except TimeoutError:
            watch.doubt()
        finally:
            doubt.cancel()
    return NO_ANSWER if watch.reason is None else f"unreachable: {watch.reason.plain}"


async def query_database(store: Store, watch: DatabaseWatch) -> str:
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
