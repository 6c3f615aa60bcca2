"""OpenTelemetry traces of a request, from its headers to the database.

Off until `start`: before that every span does nothing, and OpenTelemetry is not imported. May import: errors.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from trenova.errors import InvalidConfiguration

Headers = Iterable[tuple[bytes, bytes]]
# The span of a request, as the origin of the batches with its entries. None if there is none.
Origin = Any


@dataclass(slots=True)
class Answer:
    """Filled in at the end of a request. `route` is None if no route has the path, `status` if there was no answer."""

    route: str | None = None
    status: int | None = None


class Tracing:
    """Disabled tracing, and the interface of enabled tracing."""

    def request(self, method: str, headers: Headers) -> AbstractContextManager[Answer]:  # noqa: ARG002 - for enabled tracing
        """A span around a request. It continues the trace of its caller if its headers name one."""
        return nullcontext(Answer())

    def origin(self) -> Origin:
        return None

    def batch(self, origins: Iterable[Origin]) -> AbstractContextManager[object]:  # noqa: ARG002 - as above
        """A span around the start of a batch: a child of its first request, linked to the others."""
        return nullcontext()

    def append(self) -> AbstractContextManager[object]:
        """A span around the transaction that stores a batch."""
        return nullcontext()

    def interceptors(self) -> Sequence[Any]:
        """Interceptors that carry a trace through Temporal, for a client and the workers that use it."""
        return ()


current = Tracing()


def start(part: str) -> None:
    """Trace this process as this part of Trenova. Raises InvalidConfiguration without OpenTelemetry."""
    global current  # noqa: PLW0603 - one per process, like its page of metrics
    try:
        from trenova.tracing.opentelemetry import OpenTelemetry, collector  # noqa: PLC0415 - imported only when needed
    except ImportError:
        raise InvalidConfiguration(
            ["telemetry.traces: true given, but OpenTelemetry is not installed"],
            hint="install requirements/otel.txt instead of requirements/run.txt, or set telemetry.traces to false",
        ) from None
    current = OpenTelemetry(part, collector())
