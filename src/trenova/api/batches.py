"""The state of a batch."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Literal

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import PathParameter
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from trenova.api.auth import ACCESS, ANY_ROLE, Caller, requires
from trenova.api.openapi import END, problems
from trenova.api.services import Services
from trenova.codec.batch_input import read_batch_input
from trenova.domain.batch import BATCH_WORKFLOW, is_api_batch, workflow_id
from trenova.errors import InvalidPayload, NotFound, PayloadError, Unavailable
from trenova.ingest.start import raise_unavailable, temporal_errors
from trenova.store.batches import StoredBatch

NO_BATCH = "no batch with this id"
MAX_RUNS = 10

BatchId = Annotated[str, PathParameter(min_length=1, max_length=200, pattern=rf"^[\x21-\x7e]+{END}")]


class EntryTenant(msgspec.Struct, frozen=True):
    """The tenant of an entry; its other fields are skipped."""

    tenant: str | None = None


class BatchState(msgspec.Struct, frozen=True, kw_only=True):
    """A batch. The counts include only entries of tenants that the API key may read."""

    batch_id: str
    state: Literal["accepted", "spooled", "stored", "parked"]
    """`parked`: none of its entries could be stored."""
    entries: int
    stored: int
    duplicate: int
    parked: int
    """Rejected by the database when the batch ran; they may have been stored since."""
    workflow_id: str
    workflow_status: str
    """Temporal's status of the latest workflow with this id, in lower case; `expired` once Temporal has removed it,
    `unknown` while the batch is spooled. A batch that is still accepted although its workflow has closed is stored by
    the reconciliation."""


@get(
    "/v1/batches/{batch_id:str}",
    opt={ACCESS: requires(ANY_ROLE)},
    summary="Read the state of a batch",
    responses=problems(400, 401, 403, 404, 503),
    tags=["batches"],
)
async def read_batch(
    batch_id: BatchId, caller: NamedDependency[Caller], services: NamedDependency[Services]
) -> BatchState:
    """Say whether a batch is accepted or stored. Writers may ask too: the answer holds no content."""
    if (in_spool := await find_spooled(services, batch_id, caller.tenant)) is not None:
        return in_spool
    # Temporal first: a batch that is stored between the two queries is then found by the second.
    status = await workflow_status(services.client, batch_id)
    parts = [part for part in await services.store.batches.find(batch_id) if caller.tenant in {None, part.tenant}]
    parked = len(await services.store.dead_letters.of_batches([batch_id], tenant=caller.tenant))
    if parts or parked:
        return stored_state(batch_id, parts, parked, status or "expired")
    if status is None:
        raise NotFound(NO_BATCH)
    entries = await count_entries(services.client, batch_id, caller.tenant)
    if entries == 0:
        raise NotFound(NO_BATCH)
    return BatchState(
        batch_id=batch_id,
        state="accepted",
        entries=entries,
        stored=0,
        duplicate=0,
        parked=0,
        workflow_id=workflow_id(batch_id),
        workflow_status=status,
    )


def stored_state(batch_id: str, parts: list[StoredBatch], parked: int, status: str) -> BatchState:
    fresh, duplicate = sum(part.stored for part in parts), sum(part.duplicate for part in parts)
    return BatchState(
        batch_id=batch_id,
        state="stored" if fresh + duplicate else "parked",
        entries=fresh + duplicate + parked,
        stored=fresh,
        duplicate=duplicate,
        parked=parked,
        workflow_id=workflow_id(batch_id),
        workflow_status=status,
    )


async def find_spooled(services: Services, batch_id: str, tenant: str | None) -> BatchState | None:
    """The batch, if it is in this server's spool, which it leaves only after Temporal has accepted it."""
    spool = services.ingest.spool
    parcel = await spool.read(batch_id) if spool else None
    if parcel is None:
        return None
    entries = await count_tenant_entries([parcel.payload], services.client, tenant)
    if entries == 0:
        raise NotFound(NO_BATCH)
    return BatchState(
        batch_id=batch_id,
        state="spooled",
        entries=entries,
        stored=0,
        duplicate=0,
        parked=0,
        workflow_id=workflow_id(batch_id),
        workflow_status="unknown",
    )


async def workflow_status(client: Client, batch_id: str) -> str | None:
    with temporal_errors():
        try:
            description = await client.get_workflow_handle(workflow_id(batch_id)).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
    status = description.status or WorkflowExecutionStatus.RUNNING
    return status.name.lower()


async def count_entries(client: Client, batch_id: str, tenant: str | None) -> int:
    """How many entries of this tenant (None: of all) the workflow was started with, according to its history.

    0 if it is not one of our workflows, or its history is gone. Raises Unavailable if no key here decrypts it.
    """
    unreadable: PayloadError | None = None
    async for run_id in runs_of(client, batch_id):
        try:
            if count := await count_entries_in_run(client, batch_id, run_id, tenant):
                return count
        except PayloadError as error:
            unreadable = error
    if unreadable is not None:
        problem = "this server cannot decrypt the batch"
        raise Unavailable(f"{problem}: {unreadable.message}", hint=unreadable.hint, to_client=problem)
    return 0


async def runs_of(client: Client, batch_id: str) -> AsyncIterator[str | None]:
    """The latest run and those before it: another run may have been started after that of the batch had closed."""
    yield None
    if is_api_batch(workflow_id(batch_id)):
        with temporal_errors():
            runs = [
                run async for run in client.list_workflows(f"WorkflowId = '{workflow_id(batch_id)}'", limit=MAX_RUNS)
            ]
        for run in runs:
            yield run.run_id


async def count_entries_in_run(client: Client, batch_id: str, run_id: str | None, tenant: str | None) -> int:
    handle = client.get_workflow_handle(workflow_id(batch_id), run_id=run_id)
    try:
        async for event in handle.fetch_history_events(page_size=1):
            started = event.workflow_execution_started_event_attributes
            if started.workflow_type.name != BATCH_WORKFLOW:
                return 0
            return await count_tenant_entries(started.input.payloads, client, tenant)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise_unavailable(error)
    return 0


async def count_tenant_entries(payloads: Sequence[Payload], client: Client, tenant: str | None) -> int:
    """How many entries of this tenant the payloads hold.

    Any Temporal client may have sent them: what is not an entry belongs to no tenant, what is not a batch has none.
    """
    try:
        batch = await read_batch_input(client.data_converter, payloads)
    except InvalidPayload:
        return 0
    tenants = [tenant_of(entry) for entry in batch.entries]
    return len(tenants) if tenant is None else tenants.count(tenant)


def tenant_of(entry: msgspec.Raw) -> str | None:
    try:
        return msgspec.json.decode(entry, type=EntryTenant).tenant
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
