"""Gathering: sealed entries become batches, each batch one workflow, and Temporal's answer the acknowledgement.

May import: workflows, domain, config, errors.
"""

from trenova.ingest.intake import AcceptedBatch, Ingest

__all__ = ["AcceptedBatch", "Ingest"]
