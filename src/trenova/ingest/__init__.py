"""Gathering: sealed entries become batches, each batch one workflow, and Temporal's answer the acknowledgement.

While Temporal is away, a spool on this disk can take its place until it is back.

May import: workflows, connection, domain, config, errors.
"""

from trenova.ingest.breaker import Breaker
from trenova.ingest.group import AcceptedBatch, GroupCommit, PlacedEntries, SpooledBatch, wait_until_stored
from trenova.ingest.spool import Spool

__all__ = ["AcceptedBatch", "Breaker", "GroupCommit", "PlacedEntries", "Spool", "SpooledBatch", "wait_until_stored"]
