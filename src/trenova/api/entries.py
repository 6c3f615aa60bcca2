"""Routes that add, list and read entries."""

import asyncio
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
import structlog
from litestar import MediaType, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, HeaderParameter, QueryParameter

from trenova.api import bodies, cursors, entries_response
from trenova.api.auth import ACCESS, READERS, WRITERS, Caller, requires
from trenova.api.entries_response import NO_INVALID_ENTRIES, Accepted, InvalidEntryList
from trenova.api.instruments import ACKNOWLEDGED, ENTRIES_ACCEPTED, ENTRIES_INVALID, ENTRIES_SPOOLED
from trenova.api.openapi import EntriesBody, answers, problems
from trenova.api.proofs import single_entry
from trenova.api.query import QUERY, parse_time, text_parameter
from trenova.api.read_slots import run_read
from trenova.api.request_effects import ADDS_ENTRIES, EFFECT
from trenova.api.services import Services
from trenova.config import KIB, LimitSettings
from trenova.domain import intake
from trenova.domain.entry import Entry, Outcome
from trenova.errors import InvalidEntries, Removed, TrenovaError
from trenova.ingest import PlacedEntries, wait_until_stored
from trenova.runtime.http.body import read_body
from trenova.store import Store
from trenova.store.search import START_OF_FEED, FeedPosition, Filters, Page, PagePosition
from trenova.threads import run_off_loop

log = structlog.get_logger()

MAX_PAGE, DEFAULT_PAGE = 1000, 100
MAX_IDEMPOTENCY_KEY = 255
NOW = "now"
OFF_LOOP_BYTES = 64 * KIB


class EntryList(msgspec.Struct, frozen=True):
    """A page of entries."""

    entries: list[Entry]
    next_cursor: str | None


@post(
    "/v1/entries",
    opt={ACCESS: requires(WRITERS, without_database=True), QUERY: {"wait", "partial"}, EFFECT: ADDS_ENTRIES},
    operation_class=EntriesBody,
    status_code=202,
    summary="Add entries",
    responses={
        202: answers(
            Accepted,
            "Accepted: Temporal has persisted every entry. Spooled: this server's disk has, until Temporal does",
        ),
        201: answers(Accepted, "Every entry is stored (with `wait=stored`)"),
        207: answers(
            Accepted, "At least one entry is parked (with `wait=stored`); `state` and `reason` say which and why"
        ),
        **problems(400, 401, 403, 408, 413, 415, 422, 503),
    },
    tags=["entries"],
)
async def add_entries(
    request: Request[Any, Any, Any],
    caller: NamedDependency[Caller],
    services: NamedDependency[Services],
    wait: Annotated[
        Literal["stored"] | None,
        QueryParameter(
            description="Answer 201 with receipts once all entries are stored, 207 if any is parked, or 202 if "
            "that takes too long."
        ),
    ] = None,
    *,
    partial: Annotated[
        bool, QueryParameter(description="Accept the valid entries even if others are invalid.")
    ] = False,
    idempotency_key: Annotated[
        str | None,
        HeaderParameter(
            name="Idempotency-Key",
            min_length=1,
            max_length=MAX_IDEMPOTENCY_KEY,
            description="Determines the ids of entries without one, so that the same request can be sent again.",
        ),
    ] = None,
) -> Response[bytes]:
    """Add one entry (an object), several (an array), or one per line (NDJSON)."""
    began = time.monotonic()
    context = intake.RequestContext(
        received_at=datetime.now(UTC), tenant=caller.tenant, idempotency_key=idempotency_key
    )
    limits = services.settings.limits
    bodies.check_headers(request.headers.get("content-type", ""), request.headers.get("content-encoding", ""))
    services.ingest.check()
    with services.body_budget.reserve(caller.share) as reservation:
        body = await read_body(
            request, max_bytes=limits.max_request_bytes, budget=services.body_budget, reservation=reservation
        )
        checked, total = await read_entries(request, body, context, limits)
        ENTRIES_INVALID.inc(checked.bad)
        if not checked.sealed or (checked.bad and not partial):
            raise InvalidEntries(checked.problems, bad=checked.bad, total=total)
        placed = await services.ingest.add([entry for _, entry in checked.sealed])
    ACKNOWLEDGED.observe(time.monotonic() - began)
    for one in placed:
        (ENTRIES_SPOOLED if one.batch.state == "spooled" else ENTRIES_ACCEPTED).inc(len(one.entries))
    invalid = InvalidEntryList.of(checked) if partial else NO_INVALID_ENTRIES
    if wait == "stored" and (answer := await stored_response(placed, invalid, services)):
        return answer
    return json_response(entries_response.accepted_body(placed, invalid), status_code=202)


async def stored_response(
    placed: Sequence[PlacedEntries], invalid: InvalidEntryList, services: Services
) -> Response[bytes] | None:
    """The answer once all entries are stored or parked; None if that takes too long or cannot be read.

    They are accepted in any case: an error of this wait must not make the client send them again.
    """
    wait_s = services.settings.api.wait_stored_seconds
    if not await wait_until_stored(placed, wait_s) or services.lookups.watch.is_unreachable:
        return None
    try:
        async with asyncio.timeout(wait_s):
            body, status = await entries_response.stored_body(placed, invalid, services.store)
    except TimeoutError:
        log.warning("receipts could not be read", error=f"no answer within {wait_s:g} s")
        return None
    except TrenovaError as error:
        log.warning("receipts could not be read", error=error.message, hint=error.hint)
        return None
    except Exception as error:
        log.error("receipts could not be read", error=type(error).__name__, exc_info=error)  # noqa: TRY400 - as a field
        return None
    return json_response(body, status_code=status)


async def read_entries(
    request: Request[Any, Any, Any], body: bytes, context: intake.RequestContext, limits: LimitSettings
) -> tuple[intake.CheckResult, int]:
    """The checked entries of the body, and how many it holds."""

    def check() -> tuple[intake.CheckResult, int]:
        raws = bodies.split_entries(body, content_type=request.headers.get("content-type", ""), limits=limits)
        return intake.check(raws, context, limits), len(raws)

    # Checking a large request takes long enough to delay others.
    return await run_off_loop(check, large=len(body) >= OFF_LOOP_BYTES)


@get(
    "/v1/entries",
    opt={
        ACCESS: requires(READERS),
        QUERY: {"tenant", "actor", "action", "target", "outcome", "from", "to", "q", "order", "cursor", "limit"},
    },
    summary="List entries",
    responses={
        200: answers(EntryList, "A page of entries, exactly as they are stored"),
        **problems(400, 401, 403, 429, 503),
    },
    tags=["entries"],
)
async def list_entries(
    request: Request[Any, Any, Any],
    caller: NamedDependency[Caller],
    services: NamedDependency[Services],
    tenant: Annotated[str | None, text_parameter("Whose entries. Not needed with a key for one tenant.")] = None,
    actor: Annotated[str | None, text_parameter("The actor's id.")] = None,
    action: Annotated[str | None, text_parameter("The action, or its beginning followed by `*`.")] = None,
    target: Annotated[str | None, text_parameter("The target's id.")] = None,
    outcome: FromQuery[Outcome | None] = None,
    occurred_from: Annotated[str | None, text_parameter("Not before this time (RFC 3339).", name="from")] = None,
    occurred_to: Annotated[str | None, text_parameter("Before this time (RFC 3339).", name="to")] = None,
    text: Annotated[str | None, text_parameter("Occurs anywhere in the entry.", name="q")] = None,
    order: Annotated[
        Literal["newest", "stored"],
        QueryParameter(
            description="`newest`: by `occurred_at`, newest first. `stored`: in the order of storing, oldest first, to "
            "follow the log."
        ),
    ] = "newest",
    cursor: Annotated[
        str | None, text_parameter("`next_cursor` of the previous page; with `order=stored` also `now`.")
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
) -> Response[bytes]:
    """Page through entries. Pages never shift or repeat, whatever is stored meanwhile.

    With `order=stored` there is always a `next_cursor`: use it later to get what has been stored since.
    """
    filters = Filters(
        tenant=caller.tenant_to_read(tenant),
        actor=actor,
        action=action,
        target=target,
        outcome=outcome,
        occurred_from=parse_time("from", occurred_from),
        occurred_to=parse_time("to", occurred_to),
        text=text,
    )
    search = services.store.search

    async def read_page() -> Page:
        if order == "stored":
            return await search.feed(filters, after=await feed_position(cursor, services.store), limit=limit)
        before = None if cursor is None else cursors.decode(cursor, PagePosition)
        return await search.page(filters, after=before, limit=limit)

    page = await run_read(services.search_slots, caller.share, request, read_page)
    next_cursor = None if page.next is None else cursors.encode(page.next)
    return json_response(
        msgspec.json.encode({"entries": [msgspec.Raw(body) for body in page.bodies], "next_cursor": next_cursor})
    )


@get(
    "/v1/entries/{entry_id:uuid}",
    opt={ACCESS: requires(READERS), QUERY: {"tenant"}},
    summary="Read one entry",
    responses={
        200: answers(Entry, "The entry, exactly as it is stored"),
        **problems(400, 401, 403, 404, 410, 429, 503),
    },
    tags=["entries"],
)
async def read_entry(
    entry_id: FromPath[uuid.UUID],
    caller: NamedDependency[Caller],
    services: NamedDependency[Services],
    tenant: Annotated[str | None, text_parameter("Whose entry, if several tenants have one with this id.")] = None,
) -> Response[bytes]:
    """Read a stored entry. An entry that is only accepted is not found yet."""
    async with services.read_slots.slot(caller.share):
        _, leaf = single_entry(await services.store.entries.find(entry_id, tenant=caller.tenant_to_read(tenant)))
    if leaf.body is None:
        raise Removed(
            "the content of this entry has been removed", hint="its place in the log can still be proved: GET …/proof"
        )
    return json_response(leaf.body)


async def feed_position(cursor: str | None, store: Store) -> FeedPosition:
    if cursor is None:
        return START_OF_FEED
    return await store.search.now() if cursor == NOW else cursors.decode(cursor, FeedPosition)


def json_response(body: bytes, *, status_code: int = 200) -> Response[bytes]:
    return Response(content=body, status_code=status_code, media_type=MediaType.JSON)
