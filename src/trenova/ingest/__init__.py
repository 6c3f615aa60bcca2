"""Gathering: sealed entries become batches, each batch one workflow, and Temporal's answer the acknowledgement.

May import: workflows, domain, config, errors.
"""

from trenova.ingest.group import AcceptedBatch, GroupCommit, Placed, all_stored

__all__ = ["AcceptedBatch", "GroupCommit", "Placed", "all_stored"]
