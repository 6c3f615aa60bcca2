"""The metrics of a worker. No label is a tenant, and none reveals content."""

import time
from datetime import datetime

import msgspec
from prometheus_client import Counter, Gauge, Histogram

from trenova.domain.batch import Batch, BatchResult
from trenova.store.connection_errors import NAMES, reason_of

READY = Gauge("trenova_worker_ready", "1 when this worker polls, reaches the database and can decrypt what it encrypts")
GATE_SHUT = Gauge("trenova_gate_shut", "1 while this worker waits for the database")
DATABASE_CLOSED = Gauge(
    "trenova_database_closed", "1 for the reason why this worker cannot use the database", ["reason"]
)
STORED = Counter("trenova_entries_stored", "Entries that a transaction has committed")
DUPLICATE = Counter("trenova_entries_duplicate", "Entries of batches that were stored before")
NEWLY_PARKED = Counter("trenova_entries_newly_parked", "Entries that the database rejected, counted each time")
STORED_LATENCY = Histogram(
    "trenova_stored_latency_seconds",
    "Time from the receipt of a batch's first entry to its commit, by the clocks of the two servers",
    buckets=(0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600, 86400),
)


def set_database_status(status: str) -> None:
    """Show `ok`, or the reason why the database cannot be used."""
    reason = None if status == "ok" else reason_of(status).name
    for name in NAMES:
        DATABASE_CLOSED.labels(reason=name).set(name == reason)


class ReceiptTime(msgspec.Struct, frozen=True):
    """The only field of an entry that is decoded here."""

    received_at: datetime


def count_batch(batch: Batch, result: BatchResult) -> None:
    """Count a stored batch. If the answer of an attempt is lost, the next one counts its entries as duplicates."""
    STORED.inc(result.stored)
    DUPLICATE.inc(result.duplicate)
    NEWLY_PARKED.inc(result.parked)
    if (received_at := first_receipt_time(batch)) is not None:
        STORED_LATENCY.observe(max(0.0, time.time() - received_at.timestamp()))


def first_receipt_time(batch: Batch) -> datetime | None:
    """When the first entry was received; batches are filled in that order. None if it cannot be read."""
    if not batch.entries:
        return None
    try:
        return msgspec.json.decode(batch.entries[0], type=ReceiptTime).received_at
    except msgspec.DecodeError:
        return None


set_database_status("ok")  # so that every reason is on the page from the start
