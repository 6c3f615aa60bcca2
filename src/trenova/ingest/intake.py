"""Handing batches to Temporal. Nothing is acknowledged before Temporal has persisted it."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec
import uuid_utils
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import Priority, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from trenova.config import KIB, TASK_QUEUE
from trenova.domain.batch import Batch, BatchResult, workflow_id
from trenova.domain.entry import Sealed
from trenova.errors import Unavailable
from trenova.workflows import ProcessAuditBatchWorkflow

# Temporal warns at 512 KiB and refuses at 2 MiB. A batch is closed before this many bytes; one entry may be larger.
MAX_BATCH_BYTES = 400 * KIB
# Starts of one process that may be under way at once; the dev server takes no more anyway.
MAX_STARTS = 8
START_TIMEOUT = timedelta(seconds=10)

# The caller cannot mend these by changing the request, and nothing says that Temporal kept it: try again later.
AWAY = {
    RPCStatusCode.UNAVAILABLE: "Temporal is away",
    RPCStatusCode.DEADLINE_EXCEEDED: "Temporal did not answer in time",
    RPCStatusCode.CANCELLED: "Temporal did not answer in time",
    RPCStatusCode.RESOURCE_EXHAUSTED: "Temporal takes no more at the moment",
    RPCStatusCode.NOT_FOUND: "the Temporal namespace does not exist",
    RPCStatusCode.PERMISSION_DENIED: "Temporal refuses this server's credentials",
    RPCStatusCode.UNAUTHENTICATED: "Temporal refuses this server's credentials",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedBatch:
    """A batch that Temporal has persisted, with the entries it holds, in their order."""

    batch_id: str
    entries: Sequence[Sealed]
    handle: WorkflowHandle[ProcessAuditBatchWorkflow, BatchResult]


class Ingest:
    """The way from the API into Temporal. One request is one batch, or several if it is too large for one."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.starts = asyncio.Semaphore(MAX_STARTS)

    async def accept(self, entries: Sequence[Sealed]) -> list[AcceptedBatch]:
        """Return when every entry is accepted. Raises Unavailable when that is not certain.

        Dying before Temporal's answer: the caller has none either and sends the entries again with the same ids;
        whatever Temporal did keep of the first attempt is then found as duplicates. Dying after it: the workflows run.
        """
        starts = [asyncio.ensure_future(self.start(batch)) for batch in split(entries)]
        await asyncio.gather(*starts, return_exceptions=True)
        return [start.result() for start in starts]

    async def stored(self, batches: Sequence[AcceptedBatch], timeout_s: float) -> bool:
        """Wait until the batches are stored; False when that takes longer than `timeout_s`. They go on all the same."""
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*(batch.handle.result() for batch in batches))
        except TimeoutError:
            return False
        except RPCError as error:
            raise unavailable(error) from error
        except WorkflowFailureError as error:
            raise Unavailable(
                "the batch was accepted, but somebody ended its workflow before it was stored",
                hint="send the entries again with the same ids",
            ) from error
        return True

    async def start(self, entries: Sequence[Sealed]) -> AcceptedBatch:
        batch_id = str(uuid_utils.uuid7())
        batch = Batch(batch_id=batch_id, entries=[msgspec.Raw(entry.body) for entry in entries])
        tenants = {entry.tenant for entry in entries}
        try:
            async with self.starts:
                handle = await self.client.start_workflow(
                    ProcessAuditBatchWorkflow.run,
                    batch,
                    id=workflow_id(batch_id),
                    task_queue=TASK_QUEUE,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                    priority=Priority(fairness_key=fairness_key(tenants.pop())) if len(tenants) == 1 else Priority(),
                    rpc_timeout=START_TIMEOUT,
                )
        except WorkflowAlreadyStartedError:
            # The answer to an earlier try of this very call was lost, and the workflow has ended since.
            handle = self.client.get_workflow_handle_for(ProcessAuditBatchWorkflow.run, workflow_id(batch_id))
        except RPCError as error:
            raise unavailable(error) from error
        except RuntimeError as error:
            # The SDK's word for a server that a lazy client could not reach with its first call.
            raise Unavailable(AWAY[RPCStatusCode.UNAVAILABLE]) from error
        return AcceptedBatch(batch_id=batch_id, entries=entries, handle=handle)


def split(entries: Sequence[Sealed]) -> Iterator[Sequence[Sealed]]:
    """Consecutive runs of at most MAX_BATCH_BYTES each, or of one entry that is larger by itself."""
    begin, size = 0, 0
    for position, entry in enumerate(entries):
        if size + len(entry.body) > MAX_BATCH_BYTES and position > begin:
            yield entries[begin:position]
            begin, size = position, 0
        size += len(entry.body)
    yield entries[begin:]


def fairness_key(tenant: str) -> str:
    """Temporal takes 64 bytes; tenants that share their first 64 characters share their turn."""
    return tenant[:64]


def unavailable(error: RPCError) -> Unavailable:
    """Unavailable for the errors in AWAY; any other is a bug of ours and is raised as it is."""
    if error.status not in AWAY:
        raise error
    return Unavailable(AWAY[error.status])
