"""How long it took after each fault, from the moment when every part was ready, until entries were stored again."""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chaos.faults import InjectedFault

LIMIT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """Seconds from `back` to the first new acknowledgement and to the first append that stored something new.

    None if another fault struck first.
    """

    injected: InjectedFault
    acknowledged_s: float | None
    stored_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """The times of one kind of fault, in seconds; `count` were measured."""

    count: int
    median: float
    p99: float
    worst: float


def recoveries(
    injected: Sequence[InjectedFault], acknowledged: Sequence[float], stored: Sequence[float]
) -> list[Recovery]:
    """`acknowledged` and `stored` are times in order, of the clock of `injected`."""
    ends = [each.struck for each in injected[1:]] + [math.inf]
    return [
        Recovery(
            injected=each,
            acknowledged_s=first_after(acknowledged, each.back, end),
            stored_s=first_after(stored, each.back, end),
        )
        for each, end in zip(injected, ends, strict=True)
    ]


def first_after(times: Sequence[float], begin: float, end: float) -> float | None:
    at = bisect_left(times, begin)
    return times[at] - begin if at < len(times) and times[at] < end else None


def waits(acknowledged: Mapping[tuple[int, int], float], stored: Mapping[tuple[int, int], float]) -> Times | None:
    """The times from acknowledged to stored, for each request, with all faults in between."""
    return times([max(0.0, stored[each] - at) for each, at in acknowledged.items() if each in stored])


def by_name(found: Iterable[Recovery]) -> dict[str, tuple[int, Times | None, Times | None]]:
    """For each kind and target: how many faults, and the times to acknowledged and to stored."""
    groups: defaultdict[str, list[Recovery]] = defaultdict(list)
    for each in found:
        groups[each.injected.fault.name].append(each)
    return {
        name: (
            len(each),
            times([one.acknowledged_s for one in each]),
            times([one.stored_s for one in each]),
        )
        for name, each in sorted(groups.items())
    }


def times(seconds: Iterable[float | None]) -> Times | None:
    ordered = sorted(each for each in seconds if each is not None)
    if not ordered:
        return None
    return Times(count=len(ordered), median=quantile(ordered, 0.5), p99=quantile(ordered, 0.99), worst=ordered[-1])


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def over_limit(found: Iterable[Recovery]) -> list[Recovery]:
    """Those that took longer than the limit."""
    return [each for each in found if max(each.acknowledged_s or 0, each.stored_s or 0) > LIMIT_S]
