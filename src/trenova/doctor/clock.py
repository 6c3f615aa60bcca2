"""Compares two clocks without knowing which one is right."""

from datetime import datetime, timedelta

from trenova.doctor.finding import Verdict, failure, ok, warning

# Entries get their time of receipt from the API's clock, and lists are sorted by it.
TOLERATED, TOO_FAR = timedelta(seconds=2), timedelta(seconds=60)
SET_CLOCKS = "synchronize the clocks of both machines with a time service (NTP, chrony)"


def skew(theirs: datetime, before: datetime, after: datetime) -> timedelta:
    """How far their clock is ahead of ours, which read `before` and `after` around it; zero if they may agree."""
    if theirs < before:
        return theirs - before
    return max(theirs - after, timedelta(0))


def clock_verdict(whose: str, apart: timedelta) -> Verdict:
    if abs(apart) < TOLERATED:
        return ok(f"{whose} clock and this machine's agree")
    cause = f"clock skew: {whose} clock is {abs(apart).total_seconds():,.0f} s "
    cause += f"{'ahead of' if apart > timedelta(0) else 'behind'} this machine's"
    return failure(cause, SET_CLOCKS) if abs(apart) > TOO_FAR else warning(cause, SET_CLOCKS)
