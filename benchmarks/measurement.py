"""What one contestant did in one round."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Percentiles of `count` observations, in seconds."""

    p50: float
    p99: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One run. `seconds` goes from the first entry sent to the last entry stored, unless the contestant differs."""

    contestant: str
    entries: int
    seconds: float
    acknowledged: Times | None = None
    """From the request (its due time, where the load is paced) to its acknowledgement."""
    stored_after: Times | None = None
    """From the acknowledgement of a request until all its entries are visible in the table."""
    cpu_s: Mapping[str, float] = field(default_factory=dict)
    """CPU seconds of each part with its children, over the run."""
    peak_mib: Mapping[str, float] = field(default_factory=dict)
    """Highest resident memory of each process so far; for PostgreSQL, shared pages counted once."""
    actions: float | None = None
    """Billable Temporal actions a thousand entries."""
    history_bytes: float | None = None
    """Bytes of workflow history a thousand entries."""
    refused: int = 0
    """Answers 503; the request was sent again."""
    sdk: Mapping[str, float] = field(default_factory=dict)
    """A worker's calls to Temporal by name, and its pollers by kind, if its metrics were read."""

    @property
    def entries_per_s(self) -> float:
        return self.entries / self.seconds

    @property
    def cpu_per_thousand(self) -> dict[str, float]:
        return {part: spent * 1000 / self.entries for part, spent in self.cpu_s.items()}


def times(seconds: Iterable[float]) -> Times | None:
    ordered = sorted(seconds)
    if not ordered:
        return None
    return Times(p50=quantile(ordered, 0.5), p99=quantile(ordered, 0.99), count=len(ordered))


def quantile(ordered: list[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
