"""The API put together from its parts."""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Litestar, Router
from litestar.di import Provide
from temporalio.client import Client

from trenova.api import auth, batches, entries, health, metrics, openapi
from trenova.api.problems import HANDLERS
from trenova.api.query import check_query
from trenova.config import Settings
from trenova.ingest import Ingest
from trenova.store import Store


def create(settings: Settings, store: Store, client: Client) -> Litestar:
    """The ASGI application. It owns neither the store nor the client: whoever opened them closes them."""
    ingest = Ingest(client)
    return Litestar(
        route_handlers=[
            Router(
                path="/",
                before_request=check_query,
                dependencies={"caller": Provide(auth.caller)},
                route_handlers=[
                    entries.add_entries,
                    entries.list_entries,
                    entries.read_entry,
                    batches.read_batch,
                    metrics.metrics,
                    health.livez,
                    health.readyz,
                    openapi.document,
                ],
            ),
            openapi.assets,
        ],
        dependencies={
            "settings": given(settings),
            "store": given(store),
            "client": given(client),
            "ingest": given(ingest),
        },
        openapi_config=openapi.config(),
        exception_handlers=HANDLERS,
        request_max_body_size=settings.limits.max_request_bytes,
        logging_config=None,
    )


def given(value: Any) -> Provide:
    async def provide() -> Any:
        return value

    provider: Callable[[], Awaitable[Any]] = provide
    return Provide(provider)
