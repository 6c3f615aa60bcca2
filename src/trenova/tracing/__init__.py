"""Where the time of a request goes, from its head to the database, told to a collector by OpenTelemetry.

Off until `start`: then every span is nothing, and nothing of OpenTelemetry is imported. May import: errors.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from trenova.errors import InvalidConfiguration

Headers = Iterable[tuple[bytes, bytes]]
# The span in which a request is: what a batch that carries its entries follows from. None where there is none.
Origin = Any


@dataclass(slots=True)
class Answer:
    """What is known of a request only in the end: None for a path that no route has, and without an answer."""

    route: str | None = None
    status: int | None = None


class Tracing:
    """Tracing that is off."""

    def request(self, method: str, headers: Headers) -> AbstractContextManager[Answer]:  # noqa: ARG002 - of those that are on
        """A span around a request, which goes on with the trace of its caller if its headers name one."""
        return nullcontext(Answer())

    def origin(self) -> Origin:
        return None

    def batch(self, origins: Iterable[Origin]) -> AbstractContextManager[object]:  # noqa: ARG002 - the same
        """A span around the start of a batch: a child of the first request in it, linked to the others."""
        return nullcontext()

    def append(self) -> AbstractContextManager[object]:
        """A span around the transaction that stores a batch."""
        return nullcontext()

    def interceptors(self) -> Sequence[Any]:
        """What carries a trace through Temporal: interceptors of a client, and of the workers that use it."""
        return ()


current = Tracing()


def start(part: str) -> None:
    """Trace this process, which is the `part` of Trenova. Raises InvalidConfiguration without OpenTelemetry."""
    global current  # noqa: PLW0603 - a process has one, as it has one page of metrics
    try:
        from trenova.tracing.opentelemetry import OpenTelemetry, collector  # noqa: PLC0415 - costs those who want it
    except ImportError:
        raise InvalidConfiguration(
            ["telemetry.traces: true given, and OpenTelemetry is not installed"],
            hint="install requirements/otel.txt in place of requirements/run.txt, or set telemetry.traces to false",
        ) from None
    current = OpenTelemetry(part, collector())
