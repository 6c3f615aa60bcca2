"""Clocks, compared without a clock that is right."""

from datetime import datetime, timedelta

from trenova.doctor.finding import Verdict, failed, ok, warning

# Entries get their time of receipt from the API's clock, and lists are in its order.
TOLERATED, TOO_FAR = timedelta(seconds=2), timedelta(seconds=60)
SET_CLOCKS = "let a time service (NTP, chrony) set the clocks of both machines"


def skew(theirs: datetime, before: datetime, after: datetime) -> timedelta:
    """How far their clock is ahead of ours, which said `before` and `after` around theirs: zero if that can be."""
    if theirs < before:
        return theirs - before
    return max(theirs - after, timedelta(0))


def clock_verdict(whose: str, apart: timedelta) -> Verdict:
    if abs(apart) < TOLERATED:
        return ok(f"{whose} clock and this machine's agree")
    said = f"clock skew: {whose} clock is {abs(apart).total_seconds():,.0f} s "
    said += f"{'ahead of' if apart > timedelta(0) else 'behind'} this machine's"
    return failed(said, SET_CLOCKS) if abs(apart) > TOO_FAR else warning(said, SET_CLOCKS)
