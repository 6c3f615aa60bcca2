"""Group commit: sealed entries become batches, each batch one workflow; Temporal's answer is the acknowledgement.

While Temporal is unreachable, a spool on the local disk can accept batches in its place.

May import: workflows, runtime, codec, domain, config, tracing, errors.
"""

from trenova.ingest.breaker import Breaker
from trenova.ingest.group import AcceptedBatch, GroupCommit, PlacedEntries, SpooledBatch, wait_until_stored
from trenova.ingest.spool import Spool

__all__ = ["AcceptedBatch", "Breaker", "GroupCommit", "PlacedEntries", "Spool", "SpooledBatch", "wait_until_stored"]
