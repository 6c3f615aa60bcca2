"""One batch into Temporal: the call whose answer is the acknowledgement."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import NoReturn

import msgspec
import uuid_utils
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowHandle
from temporalio.common import Priority, RawValue, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.converter import DataConverter
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from trenova.config import KIB, MIB, TASK_QUEUE
from trenova.domain.batch import Batch, BatchResult, workflow_id
from trenova.domain.entry import SealedEntry
from trenova.errors import TemporalDenied, TemporalUnreachable, Unavailable
from trenova.runtime import connection
from trenova.workflows import ProcessAuditBatchWorkflow

START_TIMEOUT = timedelta(seconds=10)
# The SDK repeats a call for ten seconds by itself; a server that restarts takes a little longer.
ATTEMPTS = 2
PAUSE_S = 0.5
# What worker and database spend on a batch whatever is in it, in bytes of entries that they store in that time.
BATCH_OVERHEAD_BYTES = 256 * KIB
# The work of a turn of weight 1; any would do.
TURN_BYTES = MIB

DENIED = "Temporal refuses this server's credentials"
# The caller cannot mend these by changing the request, and nothing says that Temporal kept it: try again later.
MESSAGES = {
    RPCStatusCode.UNAVAILABLE: "Temporal is away",
    RPCStatusCode.DEADLINE_EXCEEDED: "Temporal did not answer in time",
    RPCStatusCode.CANCELLED: "Temporal did not answer in time",
    # What the SDK says of a connection that breaks in the middle of a call.
    RPCStatusCode.UNKNOWN: "the connection to Temporal broke",
    RPCStatusCode.INTERNAL: "Temporal failed",
    RPCStatusCode.ABORTED: "Temporal failed",
    RPCStatusCode.RESOURCE_EXHAUSTED: "Temporal takes no more at the moment",
    RPCStatusCode.NOT_FOUND: "the Temporal namespace does not exist",
    RPCStatusCode.PERMISSION_DENIED: DENIED,
    RPCStatusCode.UNAUTHENTICATED: DENIED,
}
# Of these nobody knows whether Temporal has kept the batch. The same call with the same id finds out, and does no harm.
AMBIGUOUS = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.CANCELLED,
        RPCStatusCode.UNKNOWN,
        RPCStatusCode.INTERNAL,
        RPCStatusCode.ABORTED,
    }
)

Handle = WorkflowHandle[ProcessAuditBatchWorkflow, BatchResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A batch as it leaves: one payload, encoded once and sent any number of times under one workflow id."""

    batch_id: str
    entries: int
    payload: Payload
    fairness: Priority


async def parcel_of(client: Client, entries: Sequence[SealedEntry]) -> Parcel:
    """The entries as a new batch, compressed and encrypted as the client's codec does.

    Raises PayloadTooLarge for entries that make a larger payload than Temporal takes.
    """
    batch = Batch(batch_id=str(uuid_utils.uuid7()), entries=[msgspec.Raw(entry.body) for entry in entries])
    (payload,) = await client.data_converter.encode([batch])
    return Parcel(batch_id=batch.batch_id, entries=len(entries), payload=payload, fairness=fairness_of(entries))


async def start(client: Client, parcel: Parcel) -> Handle:
    """Return once Temporal has persisted the batch.

    Raises TemporalUnreachable when that is not certain, TemporalDenied when Temporal does not let us, else Unavailable.
    Where an earlier try may have been taken, each says so in `kept`.

    Dying before Temporal's answer: the callers have none either and send their entries again with the same ids;
    whatever Temporal did keep is then found as duplicates. Dying after it: the workflow runs without us.
    """
    for tried in range(ATTEMPTS):
        last = tried == ATTEMPTS - 1
        try:
            await start_workflow(client, parcel)
        except RPCError as error:
            if not is_ambiguous(error) or last:
                raise_unavailable(error, is_first=tried == 0)
        except RuntimeError as error:
            if connection.is_denial(error) or last:
                raise_unavailable(error, is_first=tried == 0)
        else:
            return client.get_workflow_handle_for(ProcessAuditBatchWorkflow.run, workflow_id(parcel.batch_id))
        await asyncio.sleep(PAUSE_S)
    raise AssertionError("the last try returns or raises")


async def start_workflow(client: Client, parcel: Parcel) -> None:
    # Its payload is encoded already, so it goes by a client without our codec over the same connection.
    config = client.config()
    config["data_converter"] = DataConverter.default
    try:
        await Client(**config).start_workflow(
            ProcessAuditBatchWorkflow.__name__,
            RawValue(parcel.payload),
            id=workflow_id(parcel.batch_id),
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            priority=parcel.fairness,
            rpc_timeout=START_TIMEOUT,
        )
    except WorkflowAlreadyStartedError:
        # The answer to an earlier try of this very call was lost, and the workflow has ended since.
        return


def fairness_of(entries: Sequence[SealedEntry]) -> Priority:
    """Turns by tenant where a batch holds one, and by work: who sends many small batches gets more turns for them.

    Temporal takes 64 bytes of the name. Mixed batches share a key, and each counts for all its tenants.
    """
    tenants = {entry.tenant for entry in entries}
    weight = len(tenants) * TURN_BYTES / (BATCH_OVERHEAD_BYTES + sum(len(entry.body) for entry in entries))
    return Priority(fairness_key=tenants.pop()[:64] if len(tenants) == 1 else None, fairness_weight=weight)


@contextmanager
def temporal_errors() -> Iterator[None]:
    """Temporal's errors while it is asked something, as Unavailable. What it was sent it may have taken."""
    try:
        yield
    except (RPCError, RuntimeError) as error:
        raise_unavailable(error)


def is_ambiguous(error: RPCError) -> bool:
    """Whether Temporal may have kept what it was sent, since the answer is not its own, or says nothing of that."""
    return error.status in AMBIGUOUS or connection.is_from_proxy(error)


def raise_unavailable(error: RPCError | RuntimeError, *, is_first: bool = True) -> NoReturn:
    """Raise Unavailable for the statuses in MESSAGES and for answers of a proxy; any other error is a bug, and raised.

    A RuntimeError is the SDK's word for a server that a lazy client could not reach with its first call. Unless this
    attempt `is_first`, an earlier one may have reached Temporal, and the error says so.
    """
    if isinstance(error, RPCError) and error.status not in MESSAGES and not connection.is_from_proxy(error):
        raise error
    unavailable = unavailable_error(error)
    raise (unavailable if is_first else unavailable.of_something_sent()) from error


def unavailable_error(error: RPCError | RuntimeError) -> Unavailable:
    if isinstance(error, RuntimeError):
        denied = connection.is_denial(error)
        return TemporalDenied(DENIED) if denied else TemporalUnreachable(MESSAGES[RPCStatusCode.UNAVAILABLE])
    if connection.is_from_proxy(error):
        return TemporalUnreachable(MESSAGES[RPCStatusCode.UNAVAILABLE])
    if connection.is_denial(error):
        return TemporalDenied(MESSAGES[error.status])
    return (TemporalUnreachable if error.status in AMBIGUOUS else Unavailable)(MESSAGES[error.status])
