"""Metrics of the reconciliation, which compares closed runs with stored batches. The database keeps its findings."""

from contextlib import suppress

from prometheus_client import Gauge

from trenova.errors import Unavailable
from trenova.store import Store

BATCHES = Gauge("trenova_recovered_batches", "Batches that were stored from the history of a workflow that had closed")
ENTRIES = Gauge("trenova_recovered_entries", "Entries of these batches")
RECOVERED = Gauge("trenova_recovery_timestamp_seconds", "When the last of these batches was stored; 0: never")
MISSING = Gauge("trenova_batches_missing", "Accepted batches whose workflows have closed and that cannot be stored now")
LOST = Gauge("trenova_batches_lost", "Missing batches whose workflows Temporal has removed")
FINISHED = Gauge("trenova_reconciliation_finished_timestamp_seconds", "When the last comparison finished; 0: never")


async def measure_reconciliation(store: Store) -> None:
    """Update the metrics. While the database is unavailable they keep their last values."""
    with suppress(Unavailable):
        findings = await store.reconciliation.findings()
        BATCHES.set(findings.recovered_batches)
        ENTRIES.set(findings.recovered_entries)
        RECOVERED.set(findings.recovered_at.timestamp() if findings.recovered_at else 0)
        MISSING.set(findings.missing)
        LOST.set(findings.lost)
        FINISHED.set(findings.finished_at.timestamp() if findings.finished_at else 0)
