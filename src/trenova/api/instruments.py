"""Metrics of the API. No tenant is a label, and nothing reveals content."""

from prometheus_client import Counter, Gauge, Histogram

ENTRIES_ACCEPTED = Counter("trenova_entries_accepted", "Entries that Temporal has persisted")
ENTRIES_INVALID = Counter("trenova_entries_refused", "Entries that were invalid")
ENTRIES_PARKED = Gauge("trenova_entries_parked", "Entries that are parked now because the database rejects them")
OLDEST_PARKED = Gauge(
    "trenova_oldest_parked_timestamp_seconds", "When the oldest parked entry was parked; 0: none is parked"
)
ENTRIES_SPOOLED = Counter("trenova_spooled_entries", "Entries that were spooled while Temporal was unreachable")
SPOOL_BATCHES = Gauge("trenova_spool_batches", "Batches in the spool")
SPOOL_BYTES = Gauge("trenova_spool_bytes", "Disk space that the spool uses")
SPOOL_MAX_BYTES = Gauge("trenova_spool_max_bytes", "Disk space that the spool may use")
SPOOL_DAMAGED = Gauge("trenova_spool_damaged_files", "Damaged spool files that were set aside and still exist")
TEMPORAL_UNREACHABLE = Gauge(
    "trenova_temporal_away", "1 while Temporal does not answer this process or denies it access"
)
DATABASE_UNREACHABLE = Gauge("trenova_database_unreachable", "1 while the database is unreachable for this process")
REMEMBERED_KEYS_USED = Counter(
    "trenova_remembered_keys_used", "Requests authenticated with a remembered key while the database was unreachable"
)
REQUESTS_FAILED = Counter("trenova_requests_refused", "Requests that were answered with an error", ["reason"])
ACKNOWLEDGED = Histogram(
    "trenova_acknowledgement_latency_seconds",
    "From the start of a request with entries until all of them are accepted or spooled",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
