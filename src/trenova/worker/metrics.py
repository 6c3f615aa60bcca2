"""What a worker counts. No tenant is a label, nothing tells content."""

import time
from datetime import datetime

import msgspec
from prometheus_client import Counter, Gauge, Histogram

from trenova.domain.batch import Batch, BatchResult
from trenova.store.connection_errors import NAMES, reason_of

READY = Gauge("trenova_worker_ready", "1 when this worker polls, reaches the database and can read what it encrypts")
GATE_SHUT = Gauge("trenova_gate_shut", "1 while this worker waits for the database")
DATABASE_CLOSED = Gauge(
    "trenova_database_closed", "1 for the reason why the database does not serve this worker", ["reason"]
)
STORED = Counter("trenova_entries_stored", "Entries that a transaction has committed")
DUPLICATE = Counter("trenova_entries_duplicate", "Entries of batches that their log held already")
NEWLY_PARKED = Counter("trenova_entries_newly_parked", "Entries that the database refused, each time it did")
STORED_LATENCY = Histogram(
    "trenova_stored_latency_seconds",
    "From the receipt of a batch's first entry to its commit, by the clocks of the two servers",
    buckets=(0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600, 86400),
)


def set_database_status(said: str) -> None:
    """`ok`, or why the database does not do what it is asked."""
    found = None if said == "ok" else reason_of(said).name
    for name in NAMES:
        DATABASE_CLOSED.labels(reason=name).set(name == found)


class ReceiptTime(msgspec.Struct, frozen=True):
    """The one field of an entry that is looked at here."""

    received_at: datetime


def count_batch(batch: Batch, result: BatchResult) -> None:
    """One batch that is stored; an attempt whose answer was lost counts its entries again, as duplicates."""
    STORED.inc(result.stored)
    DUPLICATE.inc(result.duplicate)
    NEWLY_PARKED.inc(result.parked)
    if (received_at := first_receipt_time(batch)) is not None:
        STORED_LATENCY.observe(max(0.0, time.time() - received_at.timestamp()))


def first_receipt_time(batch: Batch) -> datetime | None:
    """Of the entry that came first, as batches are filled in the order of receipt. None where it cannot be read."""
    if not batch.entries:
        return None
    try:
        return msgspec.json.decode(batch.entries[0], type=ReceiptTime).received_at
    except msgspec.DecodeError:
        return None


set_database_status("ok")  # every reason is on the page from the first moment on
