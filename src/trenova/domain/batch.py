"""What travels through Temporal: one message into the workflow and its activities, one out."""

import re
from hashlib import sha256

import msgspec
from msgspec import Struct

# What names a batch in the database, in addresses and in logs.
LABEL = re.compile(r"[\x21-\x7e]{1,200}")
# The API's own: nobody else's batch is called so.
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Batch(Struct, frozen=True, kw_only=True):
    """Entries that are made durable together. `entries` keep their exact bytes on the whole way.

    Whoever reaches the Temporal namespace can make one by hand, so none of this is believed. A release that gives a
    field another shape must go on reading this one, and its workers must come before its API.
    """

    batch_id: str = ""
    """What the API calls it. `label` says what it is called in the end."""
    entries: list[msgspec.Raw] = []

    @classmethod
    def of_unreadable(cls, data: bytes) -> "Batch":
        """What a workflow was started with where that is no batch: one entry, which is parked because it is none."""
        try:
            return cls(entries=[msgspec.Raw(bytes(msgspec.json.decode(data, type=msgspec.Raw)))])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return cls(entries=[msgspec.Raw(msgspec.json.encode(data.decode(errors="replace")))])


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


BATCH_WORKFLOW = "ProcessAuditBatchWorkflow"
BATCH_WORKFLOW_PREFIX = "audit-batch-"


def workflow_id(batch_id: str) -> str:
    return BATCH_WORKFLOW_PREFIX + batch_id


def batch_label(workflow: str) -> str:
    """What the batch of this workflow id is called. The id that the API gave it, where the API started it.

    Taken from the workflow's id alone, which Temporal keeps unique among the open ones: a batch that is made by hand
    cannot be told to be another. An id that no address or text column can hold gives its hash.
    """
    name = workflow.removeprefix(BATCH_WORKFLOW_PREFIX)
    if not LABEL.fullmatch(name):
        return f"sha256-{sha256(workflow.encode(errors='surrogatepass')).hexdigest()}"
    return f"workflow-{name}" if name == workflow and UUID.fullmatch(name) else name


def is_api_batch(workflow: str) -> bool:
    """Whether the id is one that the API gives to a batch that it accepts."""
    return workflow.startswith(BATCH_WORKFLOW_PREFIX) and UUID.fullmatch(batch_label(workflow)) is not None
