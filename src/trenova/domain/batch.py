"""What travels through Temporal: one message into the workflow and its activities, one out."""

import msgspec
from msgspec import Struct


class Batch(Struct, frozen=True, kw_only=True):
    """Entries that are made durable together. `entries` keep their exact bytes on the whole way."""

    batch_id: str = ""
    """Empty: the workflow's own id stands for it."""
    entries: list[msgspec.Raw] = []


class Head(Struct, frozen=True, kw_only=True):
    """What a tenant's log was right after a batch."""

    tenant: str
    size: int
    root: str = ""
    """Root hash of its tree in base64; empty in results of releases that kept no trees."""


class BatchResult(Struct, frozen=True, kw_only=True):
    """What became of a batch. The three counts add up to its entries."""

    batch_id: str
    stored: int = 0
    duplicate: int = 0
    parked: int = 0
    heads: list[Head] = []


BATCH_WORKFLOW_PREFIX = "audit-batch-"


def workflow_id(batch_id: str) -> str:
    return BATCH_WORKFLOW_PREFIX + batch_id
