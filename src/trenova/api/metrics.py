"""The metrics page of the API."""

import asyncio
from contextlib import suppress

from litestar import Response, get
from litestar.di import NamedDependency
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from trenova.api.auth import ACCESS, READERS, Caller, requires
from trenova.api.instruments import (
    DATABASE_UNREACHABLE,
    ENTRIES_PARKED,
    OLDEST_PARKED,
    SPOOL_BATCHES,
    SPOOL_BYTES,
    SPOOL_DAMAGED,
    SPOOL_MAX_BYTES,
    TEMPORAL_UNREACHABLE,
)
from trenova.api.openapi import answers, problems
from trenova.api.reconciliation import measure_reconciliation
from trenova.api.services import Services
from trenova.errors import Forbidden, Unavailable
from trenova.store import Store


@get(
    "/metrics",
    opt={ACCESS: requires(READERS, without_database=True)},
    media_type="text/plain",
    summary="Metrics for Prometheus",
    responses={200: answers(str, "Metrics of this process", "text/plain"), **problems(400, 401, 403, 503)},
    tags=["operation"],
)
async def metrics(caller: NamedDependency[Caller], services: NamedDependency[Services]) -> Response[bytes]:
    """Metrics of this process, over all tenants, so only for a key that may read any tenant."""
    if caller.tenant is not None:
        raise Forbidden("metrics cover all tenants; this API key is for one tenant")
    unreachable = services.lookups.watch.is_unreachable
    await asyncio.gather(
        *(each.refresh() for each in services.temporal_metrics),
        # A scrape does not wait for a database that is known to be unreachable.
        *(() if unreachable else (count_parked(services.store), measure_reconciliation(services.store))),
        services.open_keys.check(),
    )
    DATABASE_UNREACHABLE.set(unreachable)
    TEMPORAL_UNREACHABLE.set(services.ingest.breaker.fault is not None)
    if spool := services.ingest.spool:
        SPOOL_BATCHES.set(len(spool.file_bytes))
        SPOOL_BYTES.set(spool.used_bytes)
        SPOOL_DAMAGED.set(spool.damaged)
        SPOOL_MAX_BYTES.set(spool.max_bytes)
    measured = await services.core.metrics() if services.core else b""
    return Response(content=generate_latest() + measured, media_type=CONTENT_TYPE_LATEST)


async def count_parked(store: Store) -> None:
    """Update the metrics. While the database is unavailable they keep their last values."""
    with suppress(Unavailable):
        count, since = await store.dead_letters.count_parked()
        ENTRIES_PARKED.set(count)
        OLDEST_PARKED.set(since.timestamp() if since else 0)
