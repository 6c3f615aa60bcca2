"""Parked entries, which the database rejected: listed, edited and retried."""

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
import structlog
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from temporalio.client import WorkflowFailureError
from temporalio.service import RPCError

from trenova.api.auth import ACCESS, ADMINS, Caller, requires
from trenova.api.openapi import EntryBody, answers, problems
from trenova.api.query import QUERY, text_parameter
from trenova.api.read_slots import run_read
from trenova.api.request_effects import CHANGES, EFFECT, effect_unknown_on_error
from trenova.api.services import Services
from trenova.config import TASK_QUEUE
from trenova.domain import intake
from trenova.domain.dead_letters import DeadLetter, RetryResult
from trenova.domain.entry import CANONICAL_FACTOR, SealedEntry
from trenova.domain.seal_check import is_open_to_clients
from trenova.errors import InvalidEntries, InvalidRequest, NotFound, RequestTooLarge, TrenovaError
from trenova.ingest.start import temporal_errors
from trenova.runtime.http.body import read_body
from trenova.store.pages import is_full
from trenova.workflows import RETRY_SCHEDULE, RetryDeadLettersWorkflow

log = structlog.get_logger()

MAX_PAGE, DEFAULT_PAGE = 100, 50
STATES = {"parked": True, "stored": False, "all": None}


class DeadLetterList(msgspec.Struct, frozen=True):
    """A page of dead letters, newest first."""

    dead_letters: list[DeadLetter]
    next_cursor: str | None


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the parked entries that were retried."""

    due: int
    """How many the request made due. Those that are not counted below are still being retried."""
    tried: int = 0
    stored: int = 0
    parked: int = 0


@get(
    "/v1/dead-letters",
    opt={ACCESS: requires(ADMINS), QUERY: {"tenant", "state", "cursor", "limit", "bodies"}},
    summary="List parked entries",
    responses=problems(400, 401, 403, 429, 503),
    tags=["dead letters"],
)
async def list_dead_letters(  # noqa: PLR0913, PLR0917 - one for each parameter of the route
    request: Request[Any, Any, Any],
    caller: NamedDependency[Caller],
    services: NamedDependency[Services],
    tenant: Annotated[str | None, text_parameter("Only those of this tenant.")] = None,
    of_state: Annotated[
        Literal["parked", "stored", "all"],
        QueryParameter(name="state", description="Those still parked, those stored since, or both."),
    ] = "parked",
    cursor: Annotated[uuid.UUID | None, QueryParameter(description="`next_cursor` of the previous page.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
    *,
    bodies: Annotated[bool, QueryParameter(description="Whether to include their bodies.")] = False,
) -> DeadLetterList:
    """Page through the entries that the database rejected, newest first."""
    owner = caller.tenant_to_read(tenant)

    async def read_page() -> list[DeadLetter]:
        store = services.store.dead_letters
        return await store.page(tenant=owner, parked=STATES[of_state], before=cursor, limit=limit, bodies=bodies)

    letters = await run_read(services.search_slots, caller.share, request, read_page)
    more = len(letters) == limit or is_full(letter.body for letter in letters)
    return DeadLetterList(dead_letters=letters, next_cursor=str(letters[-1].id) if more else None)


@get(
    "/v1/dead-letters/{letter_id:uuid}",
    opt={ACCESS: requires(ADMINS)},
    summary="Read a parked entry",
    responses=problems(400, 401, 403, 404, 429, 503),
    tags=["dead letters"],
)
async def read_dead_letter(
    letter_id: FromPath[uuid.UUID], caller: NamedDependency[Caller], services: NamedDependency[Services]
) -> DeadLetter:
    """Read one, with its body."""
    async with services.read_slots.slot(caller.share):
        return await services.store.dead_letters.find(letter_id, tenant=caller.tenant)


@post(
    "/v1/dead-letters/{letter_id:uuid}",
    opt={ACCESS: requires(ADMINS), EFFECT: CHANGES},
    operation_class=EntryBody,
    status_code=200,
    summary="Edit a parked entry",
    responses={
        200: answers(DeadLetter, "The edited dead letter; it is retried next"),
        **problems(400, 401, 403, 404, 408, 413, 422, 503),
    },
    tags=["dead letters"],
)
async def edit_dead_letter(
    request: Request[Any, Any, Any],
    letter_id: FromPath[uuid.UUID],
    caller: NamedDependency[Caller],
    services: NamedDependency[Services],
) -> DeadLetter:
    """Replace it by another entry, checked like every entry. Without an `id` it keeps its own.

    The edit is an audit entry itself, `dead_letter.edit` in the same ledger: the transaction that makes the change
    records it, so that neither exists without the other, and a worker appends it soon after.
    """
    store = services.store
    letter = await store.dead_letters.find(letter_id, tenant=caller.tenant)
    if letter.body is None:
        raise NotFound("this entry is stored, and a stored entry cannot be changed")
    with services.body_budget.reserve(caller.share) as reservation:
        limit = services.settings.limits.max_entry_bytes
        text = await read_body(request, max_bytes=limit, budget=services.body_budget, reservation=reservation)
        sealed = reseal(text, letter, caller, services)
    with effect_unknown_on_error():
        await store.dead_letters.edit(
            letter_id, tenant=sealed.tenant, entry_id=sealed.id, body=sealed.body, edited_by=caller.key_id
        )
        return await store.dead_letters.find(letter_id, tenant=caller.tenant)


@post(
    "/v1/dead-letters/{letter_id:uuid}/replay",
    opt={ACCESS: requires(ADMINS), EFFECT: CHANGES},
    status_code=200,
    summary="Retry a parked entry",
    responses=problems(400, 401, 403, 404, 503),
    tags=["dead letters"],
)
async def replay_dead_letter(
    letter_id: FromPath[uuid.UUID], caller: NamedDependency[Caller], services: NamedDependency[Services]
) -> DeadLetter:
    """Retry it now and answer with what became of it."""
    letters = services.store.dead_letters
    await letters.find(letter_id, tenant=caller.tenant)
    with effect_unknown_on_error():
        await letters.make_due(id_=letter_id)
        await run_retry(services)
        return without_body(await letters.find(letter_id, tenant=caller.tenant))


@post(
    "/v1/dead-letters/replay",
    opt={ACCESS: requires(ADMINS), QUERY: {"tenant"}, EFFECT: CHANGES},
    status_code=200,
    summary="Retry all parked entries",
    responses=problems(400, 401, 403, 503),
    tags=["dead letters"],
)
async def replay_dead_letters(
    caller: NamedDependency[Caller],
    services: NamedDependency[Services],
    tenant: Annotated[str | None, text_parameter("Only those of this tenant.")] = None,
) -> Replayed:
    """Retry them now. Others that are due at the same time are retried, and counted, with them."""
    owner = caller.tenant_to_read(tenant)
    with effect_unknown_on_error():
        due = await services.store.dead_letters.make_due(tenant=owner)
        result = await run_retry(services) if due else RetryResult()
    return Replayed(due=due, tried=result.tried, stored=result.stored, parked=result.parked)


async def run_retry(services: Services) -> RetryResult:
    """Have a worker retry the letters that are due. Returns zeros where its result is late or cannot be read.

    The worker goes on regardless: an error of this wait must not suggest that nothing was retried.
    """
    with temporal_errors():
        handle = await services.client.start_workflow(
            RetryDeadLettersWorkflow.run, id=f"{RETRY_SCHEDULE}-{uuid.uuid4()}", task_queue=TASK_QUEUE
        )
    try:
        async with asyncio.timeout(services.settings.api.wait_stored_seconds):
            return await handle.result()
    except TimeoutError:
        return RetryResult()
    except WorkflowFailureError as error:
        log.warning("retry of dead letters failed", workflow_id=handle.id, error=str(error.cause))
    except Exception as error:  # noqa: BLE001 - see above
        reason = error.message if isinstance(error, RPCError | TrenovaError) else type(error).__name__
        log.warning("waiting for a retry of dead letters failed", workflow_id=handle.id, error=reason)
    return RetryResult()


def reseal(text: bytes, letter: DeadLetter, caller: Caller, services: Services) -> SealedEntry:
    """The new entry, with the old one's id unless it names another; what the server adds is added anew.

    It stays in the ledger of its tenant. Where no entry may be sent for that tenant's name, the new entry names
    another tenant, which takes a key for any tenant.
    """
    limits = services.settings.limits
    if len(text) > CANONICAL_FACTOR * limits.max_entry_bytes:
        raise RequestTooLarge(
            f"the body has {len(text):,} bytes, the limit for one entry is {limits.max_entry_bytes:,}"
        )
    try:
        fields = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidRequest("the body is not a JSON object") from None
    for added in ("received_at", "changes_omitted"):
        fields.pop(added, None)
    if letter.entry_id is not None:
        fields.setdefault("id", msgspec.Raw(msgspec.json.encode(letter.entry_id)))
    tenant = letter.tenant if letter.tenant and is_open_to_clients(letter.tenant) else caller.tenant
    context = intake.RequestContext(received_at=datetime.now(UTC), tenant=tenant)
    checked = intake.check([msgspec.json.encode(fields)], context, limits)
    if checked.problems:
        raise InvalidEntries(checked.problems, bad=checked.bad, total=1)
    ((_, sealed),) = checked.sealed
    return sealed


def without_body(letter: DeadLetter) -> DeadLetter:
    return msgspec.structs.replace(letter, body=None)
