"""Assembles the ASGI application of the API."""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Litestar, Router
from litestar.di import Provide
from temporalio.client import Client

from trenova.api import (
    auth,
    backlog,
    batches,
    codec,
    dead_letters,
    entries,
    health,
    last_verification,
    ledger_files,
    metrics,
    openapi,
    proofs,
    sign_in,
    stuck_schedules,
)
from trenova.api.codec import RemoteCodec
from trenova.api.instruments import ENTRIES_ACCEPTED, REQUESTS_FAILED
from trenova.api.key_lookups import KeyLookups
from trenova.api.ledger_keys import LedgerKeys
from trenova.api.problems import HANDLERS, INTERNAL_ERROR, reason_of
from trenova.api.public_ledgers import PublicLedgers
from trenova.api.query import check_query
from trenova.api.read_slots import ReadSlots
from trenova.api.request_spans import RequestSpans
from trenova.api.services import Services
from trenova.api.throttled_metrics import ThrottledRefresh
from trenova.codec.key_usage.watch import KeyWatch
from trenova.config import Settings
from trenova.ingest import GroupCommit, Spool
from trenova.runtime.http.byte_budget import ByteBudget
from trenova.runtime.http.head_requests import HeadRequests
from trenova.runtime.http.request_ids import RequestIds
from trenova.runtime.temporal_sdk import SdkRuntime
from trenova.store import Store


def create(  # noqa: PLR0913 - everything that the caller has opened
    settings: Settings,
    store: Store,
    client: Client,
    ledger_keys: LedgerKeys,
    remote: RemoteCodec | None = None,
    *,
    spool: Spool | None = None,
    core: SdkRuntime | None = None,
) -> Litestar:
    """The ASGI application. It does not close store, client and spool: the caller does."""
    lookups = KeyLookups(store, remember_s=settings.api.remember_keys_seconds)
    ingest = GroupCommit(client, spool, on_drained=ENTRIES_ACCEPTED.inc)
    services = Services(
        settings=settings,
        store=store,
        client=client,
        ingest=ingest,
        body_budget=ByteBudget(),
        search_slots=ReadSlots(settings.database.search_pool_size),
        # The other half of the pool is for what writers wait for.
        read_slots=ReadSlots(max(2, settings.database.pool_size // 2)),
        lookups=lookups,
        open_keys=KeyWatch(client),
        readiness=health.cached_checks(client, store, ingest.breaker, lookups),
        temporal_metrics=(
            ThrottledRefresh(backlog.measure_backlog, client, every_s=backlog.EVERY_S),
            ThrottledRefresh(last_verification.measure_last_verification, client, every_s=last_verification.EVERY_S),
            ThrottledRefresh(stuck_schedules.measure_stuck_schedules, client, every_s=stuck_schedules.EVERY_S),
        ),
        ledger_keys=ledger_keys,
        core=core,
    )
    app = Litestar(
        route_handlers=[
            Router(
                path="/",
                before_request=check_query,
                dependencies={"caller": Provide(auth.caller_of, sync_to_thread=False)},
                route_handlers=[
                    entries.add_entries,
                    entries.list_entries,
                    entries.read_entry,
                    batches.read_batch,
                    dead_letters.list_dead_letters,
                    dead_letters.read_dead_letter,
                    dead_letters.edit_dead_letter,
                    dead_letters.replay_dead_letter,
                    dead_letters.replay_dead_letters,
                    proofs.read_proof,
                    proofs.read_consistency,
                    ledger_files.read_checkpoint,
                    ledger_files.read_tile,
                    ledger_files.read_key,
                    metrics.metrics,
                    health.livez,
                    health.readyz,
                    openapi.document,
                ],
            ),
            openapi.assets,
            *([] if remote is None else [codec.router(remote)]),
            *([sign_in.router(remote)] if remote is not None and remote.settings.authorize else []),
        ],
        dependencies={"services": provide_value(services)},
        middleware=[auth.gate_of(services)],
        openapi_config=openapi.config(),
        exception_handlers=HANDLERS,
        lifespan=[lambda _: services.ingest.running(), lambda _: lookups.running()],
        request_max_body_size=settings.limits.max_request_bytes,
        logging_config=None,
    )
    app.asgi_handler = HeadRequests(app.asgi_handler)
    if settings.api.public_logs:
        app.asgi_handler = PublicLedgers(app.asgi_handler)
    if settings.telemetry.traces:
        app.asgi_handler = RequestSpans(app.asgi_handler)
    # Outermost: unknown paths, bugs, and failures in the layers above are answered with a request id, too.
    app.asgi_handler = RequestIds(app.asgi_handler, REQUESTS_FAILED.labels(reason=reason_of(INTERNAL_ERROR)).inc)
    return app


def provide_value(value: Any) -> Provide:
    async def provide() -> Any:
        return value

    provider: Callable[[], Awaitable[Any]] = provide
    return Provide(provider)
