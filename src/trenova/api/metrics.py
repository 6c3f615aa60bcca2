"""What the API counts."""

from litestar import Response, get
from litestar.di import NamedDependency
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest

from trenova.api.auth import READERS, ROLES, Caller
from trenova.api.openapi import answers, problems
from trenova.api.services import Services
from trenova.errors import Forbidden

ENTRIES_ACCEPTED = Counter("trenova_entries_accepted", "Entries that Temporal has persisted")
ENTRIES_REFUSED = Counter("trenova_entries_refused", "Entries that were invalid")


@get(
    "/metrics",
    opt={ROLES: READERS},
    media_type="text/plain",
    summary="Metrics for Prometheus",
    responses={200: answers(str, "Counters of this process", "text/plain"), **problems(400, 401, 403, 503)},
    tags=["operation"],
)
async def metrics(caller: NamedDependency[Caller], services: NamedDependency[Services]) -> Response[bytes]:
    """Counters of this process, over all tenants, so only for a key that may read any tenant."""
    if caller.tenant is not None:
        raise Forbidden("metrics cover all tenants; this API key reads one")
    await services.verification.refresh()
    return Response(content=generate_latest(), media_type=CONTENT_TYPE_LATEST)
