"""The messages that travel through Temporal: one into the batch workflow and its activities, one out."""

import re
from hashlib import sha256

import msgspec
from msgspec import Struct

# The label of a batch in the database, in addresses and in logs.
LABEL = re.compile(r"[\x21-\x7e]{1,200}")
# Only the API's batches have such a label.
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Batch(Struct, frozen=True, kw_only=True):
    """Entries that are made durable together. `entries` keep their exact bytes all the way.

    Anyone with access to the Temporal namespace can make one, so nothing in it is trusted. A release that changes the
    form of a field must still read this one, and its workers must be deployed before its API.
    """

    batch_id: str = ""
    """The API's id of the batch. The id that is stored comes from `batch_label`."""
    entries: list[msgspec.Raw] = []

    @classmethod
    def of_unreadable(cls, data: bytes) -> "Batch":
        """A batch of one entry with the input of a workflow that is not a batch; that entry will be parked."""
        try:
            return cls(entries=[msgspec.Raw(bytes(msgspec.json.decode(data, type=msgspec.Raw)))])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return cls(entries=[msgspec.Raw(msgspec.json.encode(data.decode(errors="replace")))])


class Head(Struct, frozen=True, kw_only=True):
    """The head of a tenant's ledger right after a batch."""

    tenant: str
    size: int
    root: str = ""
    """Root hash of its tree in base64; empty in results of releases without trees."""


class BatchResult(Struct, frozen=True, kw_only=True):
    """The result of a batch. The three counts add up to the number of its entries."""

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
    """The label of the batch with this workflow id: the API's batch id if the API started the workflow.

    Derived only from the workflow id, which Temporal keeps unique among open workflows: a batch that another program
    makes cannot take the label of another one. An id that no address or text column can hold is replaced by its hash.
    """
    name = workflow.removeprefix(BATCH_WORKFLOW_PREFIX)
    if not LABEL.fullmatch(name):
        return f"sha256-{sha256(workflow.encode(errors='surrogatepass')).hexdigest()}"
    return f"workflow-{name}" if name == workflow and UUID.fullmatch(name) else name


def is_api_batch(workflow: str) -> bool:
    """Whether this is the workflow id of a batch that the API accepted."""
    return workflow.startswith(BATCH_WORKFLOW_PREFIX) and UUID.fullmatch(batch_label(workflow)) is not None
