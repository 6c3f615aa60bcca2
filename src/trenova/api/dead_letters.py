"""Parked entries: what the database refuses, seen, edited and tried again."""

import asyncio
import uuid
from base64 import b64encode
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
from trenova.api.outcomes import CHANGES, EFFECT, changing
from trenova.api.query import QUERY, words
from trenova.api.services import Services
from trenova.api.turns import read
from trenova.config import TASK_QUEUE
from trenova.domain import intake
from trenova.domain.dead_letters import RetryResult
from trenova.domain.entry import CANONICAL_FACTOR, SealedEntry
from trenova.domain.seal_check import is_open_to_clients
from trenova.errors import InvalidEntries, InvalidRequest, NotFound, RequestTooLarge, TrenovaError
from trenova.ingest.start import temporal_errors
from trenova.runtime.http.body import read_body
from trenova.store import dead_letters
from trenova.store.pages import is_full
from trenova.workflows import RETRY_SCHEDULE, RetryDeadLettersWorkflow

log = structlog.get_logger()

MAX_PAGE, DEFAULT_PAGE = 100, 50
STATES = {"parked": True, "stored": False, "all": None}


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A parked entry, or one that was parked. Times are UTC."""

    id: uuid.UUID
    state: Literal["parked", "stored"]
    tenant: str | None = None
    """Absent where the body names none."""
    entry_id: uuid.UUID | None = None
    batch_id: str
    ordinal: int
    """Its position in the batch, from 0."""
    code: str
    """SQLSTATE of the last refusal, or one of these.

    `not_sealed`: the body is no entry; `reserved`: a name in it is the system's own; `clock`: its time of receipt
    cannot be; `duplicate`: its id is stored with another content; `database`: the entry is
    fine, but its log is damaged, or the database refuses to mark the dead letter as stored.
    """
    reason: str
    attempts: int
    parked_at: datetime
    tried_at: datetime
    next_try_at: datetime | None = None
    edited_by: str | None = None
    """Id of the API key."""
    stored_at: datetime | None = None
    body: str | None = None
    """The exact bytes in standard base64, where they are asked for; absent once they are in the log."""


class DeadLetterList(msgspec.Struct, frozen=True):
    """A page of them, newest first."""

    dead_letters: list[DeadLetter]
    next_cursor: str | None


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a replay of many."""

    due: int
    """So many were asked for; those that are not counted below are still being tried."""
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
    tenant: Annotated[str | None, words("Of this tenant only.")] = None,
    of_state: Annotated[
        Literal["parked", "stored", "all"],
        QueryParameter(name="state", description="Still parked, stored since, or both."),
    ] = "parked",
    cursor: Annotated[uuid.UUID | None, QueryParameter(description="From the page before.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
    *,
    bodies: Annotated[bool, QueryParameter(description="With their bodies.")] = False,
) -> DeadLetterList:
    """Page through the entries that the database refuses, newest first."""
    owner = caller.tenant_to_read(tenant)

    async def page_of() -> list[dead_letters.DeadLetter]:
        letters = services.store.dead_letters
        return await letters.page(tenant=owner, parked=STATES[of_state], before=cursor, limit=limit, bodies=bodies)

    found = await read(services.searches, caller.share, request, page_of)
    more = len(found) == limit or is_full(letter.body for letter in found)
    return DeadLetterList(
        dead_letters=[shown(letter, body=bodies) for letter in found],
        next_cursor=str(found[-1].id) if more else None,
    )


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
    """Show one, with its body."""
    async with services.reads.turn(caller.share):
        return shown(await services.store.dead_letters.find(letter_id, tenant=caller.tenant), body=True)


@post(
    "/v1/dead-letters/{letter_id:uuid}",
    opt={ACCESS: requires(ADMINS), EFFECT: CHANGES},
    operation_class=EntryBody,
    status_code=200,
    summary="Edit a parked entry",
    responses={
        200: answers(DeadLetter, "As it is now; it will be tried next"),
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
    """Put another entry in its place, checked as every entry is. Without an `id` it keeps its own.

    The edit is an audit entry itself, `dead_letter.edit` in the same log: recorded by the transaction that makes the
    change, so that neither is there without the other, and appended by a worker soon after.
    """
    store = services.store
    letter = await store.dead_letters.find(letter_id, tenant=caller.tenant)
    if letter.body is None:
        raise NotFound("this entry is stored, and nothing in the log can be changed")
    with services.room.hold(caller.share) as hold:
        limit = services.settings.limits.max_entry_bytes
        text = await read_body(request, max_bytes=limit, room=services.room, hold=hold)
        sealed = resealed(text, letter, caller, services)
    with changing():
        await store.dead_letters.edit(
            letter_id, tenant=sealed.tenant, entry_id=sealed.id, body=sealed.body, edited_by=caller.key_id
        )
        return shown(await store.dead_letters.find(letter_id, tenant=caller.tenant), body=True)


@post(
    "/v1/dead-letters/{letter_id:uuid}/replay",
    opt={ACCESS: requires(ADMINS), EFFECT: CHANGES},
    status_code=200,
    summary="Try a parked entry again",
    responses=problems(400, 401, 403, 404, 503),
    tags=["dead letters"],
)
async def replay_dead_letter(
    letter_id: FromPath[uuid.UUID], caller: NamedDependency[Caller], services: NamedDependency[Services]
) -> DeadLetter:
    """Try it now and answer with what became of it."""
    letters = services.store.dead_letters
    await letters.find(letter_id, tenant=caller.tenant)
    with changing():
        await letters.make_due(id_=letter_id)
        await retried(services)
        return shown(await letters.find(letter_id, tenant=caller.tenant), body=False)


@post(
    "/v1/dead-letters/replay",
    opt={ACCESS: requires(ADMINS), QUERY: {"tenant"}, EFFECT: CHANGES},
    status_code=200,
    summary="Try all parked entries again",
    responses=problems(400, 401, 403, 503),
    tags=["dead letters"],
)
async def replay_dead_letters(
    caller: NamedDependency[Caller],
    services: NamedDependency[Services],
    tenant: Annotated[str | None, words("Of this tenant only.")] = None,
) -> Replayed:
    """Try them now. Others that are due at the same time are tried, and counted, with them."""
    owner = caller.tenant_to_read(tenant)
    with changing():
        due = await services.store.dead_letters.make_due(tenant=owner)
        found = await retried(services) if due else RetryResult()
    return Replayed(due=due, tried=found.tried, stored=found.stored, parked=found.parked)


async def retried(services: Services) -> RetryResult:
    """What a worker makes of the letters that are due; nothing, when that takes too long, or cannot be read.

    It goes on all the same: no error of this wait may have anybody believe that nothing was tried.
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
    except Exception as error:  # noqa: BLE001 - as said
        reason = error.message if isinstance(error, RPCError | TrenovaError) else type(error).__name__
        log.warning("wait for a retry of dead letters ended", workflow_id=handle.id, error=reason)
    return RetryResult()


def resealed(text: bytes, letter: dead_letters.DeadLetter, caller: Caller, services: Services) -> SealedEntry:
    """The new entry, with the old one's id unless it names another; what the server had added to it is added anew.

    It stays in the log of its tenant. Where that has a name that no entry may be sent for, the new one names another,
    which takes a key for any tenant.
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
    circumstances = intake.RequestContext(received_at=datetime.now(UTC), tenant=tenant)
    checked = intake.check([msgspec.json.encode(fields)], circumstances, limits)
    if checked.problems:
        raise InvalidEntries(checked.problems, bad=checked.bad, total=1)
    ((_, sealed),) = checked.sealed
    return sealed


def shown(letter: dead_letters.DeadLetter, *, body: bool) -> DeadLetter:
    return DeadLetter(
        id=letter.id,
        state="parked" if letter.stored_at is None else "stored",
        tenant=letter.tenant,
        entry_id=letter.entry_id,
        batch_id=letter.batch_id,
        ordinal=letter.ordinal,
        code=letter.code,
        reason=letter.reason,
        attempts=letter.attempts,
        parked_at=letter.parked_at,
        tried_at=letter.tried_at,
        next_try_at=letter.next_try_at if letter.stored_at is None else None,
        edited_by=letter.edited_by,
        stored_at=letter.stored_at,
        body=b64encode(letter.body).decode() if body and letter.body is not None else None,
    )
