"""Starts the workflow of one batch: the call whose answer is the acknowledgement."""

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
# The SDK itself retries a call for ten seconds; a server that restarts takes a little longer.
ATTEMPTS = 2
PAUSE_S = 0.5
# The fixed cost of a batch for worker and database, as the bytes of entries that they store in the same time.
BATCH_OVERHEAD_BYTES = 256 * KIB
# The work of a turn of weight 1; any number would do.
TURN_BYTES = MIB

UNREACHABLE = "Temporal is unreachable"
DENIED = "Temporal denied this server access"
# The caller cannot fix these by changing the request, and Temporal has not confirmed it: retry later.
MESSAGES = {
    RPCStatusCode.UNAVAILABLE: UNREACHABLE,
    RPCStatusCode.DEADLINE_EXCEEDED: "Temporal did not answer in time",
    RPCStatusCode.CANCELLED: "Temporal did not answer in time",
    # The SDK's status for a connection that breaks during a call.
    RPCStatusCode.UNKNOWN: "the connection to Temporal broke",
    RPCStatusCode.INTERNAL: "Temporal failed",
    RPCStatusCode.ABORTED: "Temporal failed",
    RPCStatusCode.RESOURCE_EXHAUSTED: "Temporal is at its limit",
    RPCStatusCode.NOT_FOUND: "the Temporal namespace does not exist",
    RPCStatusCode.PERMISSION_DENIED: DENIED,
    RPCStatusCode.UNAUTHENTICATED: DENIED,
}
# Temporal may have persisted the batch all the same. Repeating the call with the same id is safe and finds out.
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
    """A batch ready to send: one payload, encoded once and sent any number of times under one workflow id."""

    batch_id: str
    entries: int
    payload: Payload
    fairness: Priority


async def parcel_of(client: Client, entries: Sequence[SealedEntry]) -> Parcel:
    """The entries as a new batch, compressed and encrypted by the client's codec.

    Raises PayloadTooLarge when the payload would be larger than Temporal accepts.
    """
    batch = Batch(batch_id=str(uuid_utils.uuid7()), entries=[msgspec.Raw(entry.body) for entry in entries])
    (payload,) = await client.data_converter.encode([batch])
    return Parcel(batch_id=batch.batch_id, entries=len(entries), payload=payload, fairness=fairness_of(entries))


async def start(client: Client, parcel: Parcel) -> Handle:
    """Return once Temporal has persisted the batch.

    Raises TemporalUnreachable when that is not certain, TemporalDenied when Temporal denies access, else Unavailable.
    If an earlier attempt may have succeeded, their `effect` is "unknown".

    If we die before Temporal's answer, the callers have no answer either and send their entries again with the same
    ids; those that Temporal persisted are then found as duplicates. If we die after it, the workflow runs without us.
    """
    for earlier in range(ATTEMPTS):
        last = earlier == ATTEMPTS - 1
        try:
            await start_workflow(client, parcel)
        except RPCError as error:
            if not is_ambiguous(error) or last:
                raise_unavailable(error, is_first=earlier == 0)
        except RuntimeError as error:
            if connection.is_denial(error) or last:
                raise_unavailable(error, is_first=earlier == 0)
        else:
            return client.get_workflow_handle_for(ProcessAuditBatchWorkflow.run, workflow_id(parcel.batch_id))
        await asyncio.sleep(PAUSE_S)
    raise AssertionError("the last attempt returns or raises")


async def start_workflow(client: Client, parcel: Parcel) -> None:
    # The payload is already encoded, so a client without our codec sends it over the same connection.
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
        # The answer to an earlier attempt of this call was lost, and the workflow has finished since.
        return


def fairness_of(entries: Sequence[SealedEntry]) -> Priority:
    """Turns by tenant if a batch has only one, weighted by work: a tenant with many small batches gets more turns.

    Temporal limits the key to 64 bytes. Mixed batches share a key, and each counts for all its tenants.
    """
    tenants = {entry.tenant for entry in entries}
    weight = len(tenants) * TURN_BYTES / (BATCH_OVERHEAD_BYTES + sum(len(entry.body) for entry in entries))
    return Priority(fairness_key=tenants.pop()[:64] if len(tenants) == 1 else None, fairness_weight=weight)


@contextmanager
def temporal_errors() -> Iterator[None]:
    """Raise Temporal's errors as Unavailable. A request that was sent may have had its effect."""
    try:
        yield
    except (RPCError, RuntimeError) as error:
        raise_unavailable(error)


def is_ambiguous(error: RPCError) -> bool:
    """Whether Temporal may have persisted the request: the answer is not Temporal's, or leaves it open."""
    return error.status in AMBIGUOUS or connection.is_from_proxy(error)


def raise_unavailable(error: RPCError | RuntimeError, *, is_first: bool = True) -> NoReturn:
    """Raise Unavailable for the statuses in MESSAGES and for answers of a proxy; any other error is a bug, and raised.

    The SDK raises a RuntimeError when the first call of a lazy client cannot connect. Unless this attempt `is_first`,
    an earlier one may have reached Temporal, and the effect of the error is "unknown".
    """
    if isinstance(error, RPCError) and error.status not in MESSAGES and not connection.is_from_proxy(error):
        raise error
    unavailable = unavailable_error(error)
    raise (unavailable if is_first else unavailable.of_something_sent()) from error


def unavailable_error(error: RPCError | RuntimeError) -> Unavailable:
    if isinstance(error, RuntimeError):
        denied = connection.is_denial(error)
        return TemporalDenied(DENIED) if denied else TemporalUnreachable(UNREACHABLE)
    if connection.is_from_proxy(error):
        return TemporalUnreachable(UNREACHABLE)
    if connection.is_denial(error):
        return TemporalDenied(MESSAGES[error.status])
    return (TemporalUnreachable if error.status in AMBIGUOUS else Unavailable)(MESSAGES[error.status])
