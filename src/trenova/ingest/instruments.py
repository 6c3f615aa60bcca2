"""Metrics of group commit: how large batches become."""

from prometheus_client import Histogram

from trenova.config import KIB, MIB

BATCH_ENTRIES = Histogram(
    "trenova_batch_entries", "Entries of a batch", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
)
BATCH_SIZE = Histogram(
    "trenova_batch_bytes",
    "Size of a batch as Temporal gets it, compressed and encrypted",
    buckets=(KIB, 4 * KIB, 16 * KIB, 64 * KIB, 128 * KIB, 256 * KIB, 512 * KIB, MIB, 2 * MIB),
)
