"""Gathering: sealed entries become batches, each batch one workflow, and Temporal's answer the acknowledgement.

While Temporal is away, a spool on this disk can take its place until it is back.

May import: workflows, domain, config, errors.
"""

from trenova.ingest.group import AcceptedBatch, GroupCommit, Placed, SpooledBatch, all_stored
from trenova.ingest.spool import Spool

__all__ = ["AcceptedBatch", "GroupCommit", "Placed", "Spool", "SpooledBatch", "all_stored"]
