"""What the API counts."""

from contextlib import suppress

from litestar import Response, get
from litestar.di import NamedDependency
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, generate_latest

from trenova.api.auth import READERS, ROLES, Caller
from trenova.api.openapi import answers, problems
from trenova.api.services import Services
from trenova.errors import Forbidden, Unavailable
from trenova.store import Store

ENTRIES_ACCEPTED = Counter("trenova_entries_accepted", "Entries that Temporal has persisted")
ENTRIES_REFUSED = Counter("trenova_entries_refused", "Entries that were invalid")
ENTRIES_PARKED = Gauge("trenova_entries_parked", "Entries that the database refuses, now")
OLDEST_PARKED = Gauge("trenova_oldest_parked_timestamp_seconds", "Since when the oldest of them is parked; 0: none is")
ENTRIES_SPOOLED = Counter("trenova_spooled_entries", "Entries that were spooled while Temporal was away")
SPOOL_BATCHES = Gauge("trenova_spool_batches", "Batches that wait in the spool")
SPOOL_BYTES = Gauge("trenova_spool_bytes", "Room that they take on the disk")
SPOOL_DAMAGED = Gauge("trenova_spool_damaged_files", "Files of the spool that were set aside and are still there")


@get(
    "/metrics",
    opt={ROLES: READERS},
    media_type="text/plain",
    summary="Metrics for Prometheus",
    responses={200: answers(str, "Counters of this process", "text/plain"), **problems(400, 401, 403, 503)},
    tags=["operation"],
)
async def metrics(caller: NamedDependency[Caller], services: NamedDependency[Services]) -> Response[bytes]:
    """Counters of this process, over all tenants, so only for a key that may read any tenant."""
    if caller.tenant is not None:
        raise Forbidden("metrics cover all tenants; this API key reads one")
    await services.verification.refresh()
    await count_parked(services.store)
    if spool := services.ingest.spool:
        SPOOL_BATCHES.set(len(spool.room))
        SPOOL_BYTES.set(spool.used_bytes)
        SPOOL_DAMAGED.set(spool.damaged)
    return Response(content=generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def count_parked(store: Store) -> None:
    """While the database is away the last numbers stay."""
    with suppress(Unavailable):
        count, since = await store.dead_letters.parked()
        ENTRIES_PARKED.set(count)
        OLDEST_PARKED.set(since.timestamp() if since else 0)
