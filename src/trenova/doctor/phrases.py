"""Numbers and times as a sentence has them."""

from datetime import timedelta

MINUTE, HOUR, DAY = 60, 3600, 86400


def many(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"


def span(time: timedelta) -> str:
    """Rounded down to its largest unit: `40 s`, `3 min`, `2 h`, `5 days`."""
    seconds = int(time.total_seconds())
    if seconds < 2 * MINUTE:
        return f"{seconds} s"
    if seconds < 2 * HOUR:
        return f"{seconds // MINUTE} min"
    return f"{seconds // HOUR} h" if seconds < 2 * DAY else f"{seconds // DAY} days"
