"""What the API counts and measures. No tenant is a label, and nothing tells content."""

from prometheus_client import Counter, Gauge, Histogram

ENTRIES_ACCEPTED = Counter("trenova_entries_accepted", "Entries that Temporal has persisted")
ENTRIES_REFUSED = Counter("trenova_entries_refused", "Entries that were invalid")
ENTRIES_PARKED = Gauge("trenova_entries_parked", "Entries that the database refuses, now")
OLDEST_PARKED = Gauge("trenova_oldest_parked_timestamp_seconds", "Since when the oldest of them is parked; 0: none is")
ENTRIES_SPOOLED = Counter("trenova_spooled_entries", "Entries that were spooled while Temporal was away")
SPOOL_BATCHES = Gauge("trenova_spool_batches", "Batches that wait in the spool")
SPOOL_BYTES = Gauge("trenova_spool_bytes", "Room that they take on the disk")
SPOOL_MAX_BYTES = Gauge("trenova_spool_max_bytes", "Room that they may take")
SPOOL_DAMAGED = Gauge("trenova_spool_damaged_files", "Files of the spool that were set aside and are still there")
TEMPORAL_AWAY = Gauge("trenova_temporal_away", "1 while Temporal does not answer this process, or refuses it")
DATABASE_UNREACHABLE = Gauge("trenova_database_unreachable", "1 while this process does not reach the database")
REMEMBERED_KEYS_USED = Counter(
    "trenova_remembered_keys_used", "Requests that were let in from memory, as the database was unreachable"
)
REQUESTS_REFUSED = Counter("trenova_requests_refused", "Requests that were answered with an error", ["reason"])
ACKNOWLEDGED = Histogram(
    "trenova_acknowledgement_latency_seconds",
    "From the head of a request with entries until all of them are accepted or spooled",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
