"""Counts and durations, formatted for a sentence."""

from datetime import timedelta

MINUTE, HOUR, DAY = 60, 3600, 86400


def many(count: int, one: str, more: str) -> str:
    """The count with the noun in its right form: `1 entry`, `2,000 entries`."""
    return f"{count:,} {one if count == 1 else more}"


def span(duration: timedelta) -> str:
    """Rounded down to its largest unit: `40 s`, `3 min`, `2 h`, `5 days`."""
    seconds = int(duration.total_seconds())
    if seconds < 2 * MINUTE:
        return f"{seconds} s"
    if seconds < 2 * HOUR:
        return f"{seconds // MINUTE} min"
    return f"{seconds // HOUR} h" if seconds < 2 * DAY else f"{seconds // DAY} days"
