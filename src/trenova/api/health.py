"""Liveness and readiness of the process."""

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
CHECK_LIMIT = timedelta(seconds=CHECK_TIMEOUT_S)
NO_ANSWER = "no answer in time"


class Ready(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`ok`, or the problem, for each part that the API needs."""

    ready: bool
    temporal: str
    """While Temporal is unreachable, the process is ready if it has a spool with room for entries; not while Temporal
    denies access."""
    temporal_hint: str = ""
    """What an operator can do about it; absent when it is ok."""
    database: str
    """While the database is unreachable, entries are accepted with API keys that it confirmed recently."""
    keys: str
    """Whether this process can decrypt what it encrypts. Payloads of others are not checked."""
    spool: str
    """`off`, `ok`, or how many batches wait in it and whether it is at its limit."""


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
    responses={503: answers(Ready, "A part is not available"), **problems(400)},
    tags=["operation"],
)
async def readyz(services: NamedDependency[Services]) -> Response[Ready]:
    """Check Temporal, the database and this process's own keys. 200 when entries can be accepted, else 503."""
    fault, database, keys = await services.readiness.get()
    spool = services.ingest.spool
    # While Temporal denies access nothing is spooled: it might never be delivered.
    can_spool = isinstance(fault, TemporalUnreachable) and spool is not None and not spool.is_full
    can_authenticate = database == "ok" or accepts_remembered_keys(services.lookups)
    ready = Ready(
        ready=(fault is None or can_spool) and can_authenticate and keys == "ok",
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
    """Checks of Temporal, the database and the keys, run once for all requests at the same time.

    The route is public: a flood of requests must not use up the connections that the checks need.
    """

    async def check() -> Checks:
        return await asyncio.gather(
            check_temporal(client, breaker),
            check_database(store, lookups.watch),
            try_codec(client.data_converter.payload_codec),
        )

    return CachedAnswer(check, max_age_s=MAX_AGE_S)


def spool_state(spool: Spool | None) -> str:
    if spool is None:
        return "off"
    if not spool.file_bytes:
        return "ok"
    waiting = f"{len(spool.file_bytes)} batches wait for Temporal"
    return f"at its limit: {waiting}" if spool.is_full else waiting


async def check_temporal(client: Client, breaker: Breaker) -> ConnectionFault | None:
    """The known fault of Temporal, else what a call to it finds."""
    if breaker.fault is not None:
        return breaker.fault
    try:
        await check_reachable(client, CHECK_LIMIT)
    except (TemporalUnreachable, TemporalDenied) as fault:
        # From now on it is probed every second, so that its recovery is noticed.
        breaker.doubt()
        return fault
    return None


async def check_database(store: Store, watch: DatabaseWatch) -> str:
    """`ok`, or the problem in words for the public: the database's own words reveal its address, and are logged."""
    if watch.reason is None:
        # Before the limit, so that the next request is answered with what the probes have found.
        doubt = asyncio.get_running_loop().call_later(DOUBT_AFTER_S, watch.doubt)
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                return await query_database(store, watch)
        except TimeoutError:
            watch.doubt()
        finally:
            doubt.cancel()
    return NO_ANSWER if watch.reason is None else watch.reason.public_text


async def query_database(store: Store, watch: DatabaseWatch) -> str:
    try:
        await store.check()
    except StatementTimeout as error:
        log.warning("database is not ready", error=error.message, hint=error.hint)
        return "too slow"
    except Unavailable as error:
        await watch.find_out()
        if watch.reason is not None:
            return watch.reason.public_text
        log.warning("database is not ready", error=error.message, hint=error.hint)
        return reason_of(error.message).public_text
    except DatabaseFault as error:
        log.warning("database is not ready", error=error.message, hint=error.hint)
        return "it rejects this program; the log says why"
    except TrenovaError as error:
        return error.message
    return "ok"
