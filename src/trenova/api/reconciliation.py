"""What the comparisons of closed runs with the stored batches have found, for the metrics. The database keeps it."""

from contextlib import suppress

from prometheus_client import Gauge

from trenova.errors import Unavailable
from trenova.store import Store

BATCHES = Gauge("trenova_recovered_batches", "Batches that were stored from the history of a workflow that was over")
ENTRIES = Gauge("trenova_recovered_entries", "Entries of these batches")
RECOVERED = Gauge("trenova_recovery_timestamp_seconds", "When the last of these batches was stored; 0: none was")
MISSING = Gauge("trenova_batches_missing", "Accepted batches whose workflows are over and that cannot be stored, now")
LOST = Gauge("trenova_batches_lost", "Batches that were missing when Temporal forgot or deleted their workflows")
FINISHED = Gauge("trenova_reconciliation_finished_timestamp_seconds", "When the last comparison ended; 0: none has")


async def measure_reconciliation(store: Store) -> None:
    """While the database is away the last numbers stay."""
    with suppress(Unavailable):
        found = await store.reconciliation.findings()
        BATCHES.set(found.recovered_batches)
        ENTRIES.set(found.recovered_entries)
        RECOVERED.set(found.recovered_at.timestamp() if found.recovered_at else 0)
        MISSING.set(found.missing)
        LOST.set(found.lost)
        FINISHED.set(found.finished_at.timestamp() if found.finished_at else 0)
