"""One batch into Temporal: the call whose answer is the acknowledgement."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import msgspec
import uuid_utils
from temporalio.client import Client, WorkflowHandle
from temporalio.common import Priority, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from trenova.config import TASK_QUEUE
from trenova.domain.batch import Batch, BatchResult, workflow_id
from trenova.domain.entry import Sealed
from trenova.errors import Unavailable
from trenova.workflows import ProcessAuditBatchWorkflow

START_TIMEOUT = timedelta(seconds=10)
# The SDK repeats a call for ten seconds by itself; a server that restarts takes a little longer.
TRIES = 2
PAUSE_S = 0.5

# The caller cannot mend these by changing the request, and nothing says that Temporal kept it: try again later.
AWAY = {
    RPCStatusCode.UNAVAILABLE: "Temporal is away",
    RPCStatusCode.DEADLINE_EXCEEDED: "Temporal did not answer in time",
    RPCStatusCode.CANCELLED: "Temporal did not answer in time",
    # What the SDK says of a connection that breaks in the middle of a call.
    RPCStatusCode.UNKNOWN: "the connection to Temporal broke",
    RPCStatusCode.INTERNAL: "Temporal failed",
    RPCStatusCode.ABORTED: "Temporal failed",
    RPCStatusCode.RESOURCE_EXHAUSTED: "Temporal takes no more at the moment",
    RPCStatusCode.NOT_FOUND: "the Temporal namespace does not exist",
    RPCStatusCode.PERMISSION_DENIED: "Temporal refuses this server's credentials",
    RPCStatusCode.UNAUTHENTICATED: "Temporal refuses this server's credentials",
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


async def start(client: Client, entries: Sequence[Sealed]) -> tuple[str, Handle]:
    """Return the batch's id once Temporal has persisted it. Raises Unavailable when that is not certain.

    Raises PayloadTooLarge, before anything is sent, for entries that make a larger payload than Temporal takes.

    Dying before Temporal's answer: the callers have none either and send their entries again with the same ids;
    whatever Temporal did keep is then found as duplicates. Dying after it: the workflow runs without us.
    """
    batch_id = str(uuid_utils.uuid7())
    batch = Batch(batch_id=batch_id, entries=[msgspec.Raw(entry.body) for entry in entries])
    fairness = fairness_of(entries)
    for tries_left in reversed(range(TRIES)):
        try:
            return batch_id, await call(client, batch, fairness)
        except RPCError as error:
            if error.status not in AMBIGUOUS or not tries_left:
                raise unavailable(error) from error
        except RuntimeError as error:
            # The SDK's word for a server that a lazy client could not reach with its first call.
            if not tries_left:
                raise Unavailable(AWAY[RPCStatusCode.UNAVAILABLE]) from error
        await asyncio.sleep(PAUSE_S)
    raise AssertionError("the last try returns or raises")


async def call(client: Client, batch: Batch, fairness: Priority) -> Handle:
    try:
        return await client.start_workflow(
            ProcessAuditBatchWorkflow.run,
            batch,
            id=workflow_id(batch.batch_id),
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            priority=fairness,
            rpc_timeout=START_TIMEOUT,
        )
    except WorkflowAlreadyStartedError:
        # The answer to an earlier try of this very call was lost, and the workflow has ended since.
        return client.get_workflow_handle_for(ProcessAuditBatchWorkflow.run, workflow_id(batch.batch_id))


def fairness_of(entries: Sequence[Sealed]) -> Priority:
    """Turns by tenant where a batch holds one. Temporal takes 64 bytes of the name; mixed batches share one turn."""
    tenants = {entry.tenant for entry in entries}
    return Priority(fairness_key=tenants.pop()[:64]) if len(tenants) == 1 else Priority()


def unavailable(error: RPCError) -> Unavailable:
    """Unavailable for the errors in AWAY; any other is a bug of ours and is raised as it is."""
    if error.status not in AWAY:
        raise error
    return Unavailable(AWAY[error.status])
