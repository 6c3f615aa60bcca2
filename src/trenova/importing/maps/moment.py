"""The time of an event, as RFC 3339 in UTC with at most microseconds, the precision of PostgreSQL."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from trenova.importing.maps.error import MapError
from trenova.importing.maps.fields import number, quote
from trenova.importing.record import kind

SPELLING = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)[Tt ](?P<time>\d\d:\d\d:\d\d(?:\.\d{1,9})?) ?(?P<offset>[Zz]|UTC|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A number outside these years must be of seconds or microseconds, not of milliseconds.
EARLIEST_MS, LATEST_MS = 1_000_000_000_000, 4_102_444_800_000
EXPECTED = "expected a time such as 2026-01-31T09:30:00Z"


def rfc3339(value: Any, field: str, *, utc: bool) -> str:
    """The time in `value`. `utc`: the product documents its times as UTC, so one without an offset is UTC.

    Nanoseconds are truncated to microseconds. Raises MapError for anything else: it never guesses.
    """
    if not isinstance(value, str):
        raise MapError(f"{field}: {EXPECTED}, found {kind(value)}")
    match = SPELLING.fullmatch(value)
    if match is None or not (match["offset"] or utc):
        raise MapError(f"{field}: {EXPECTED}, found {quote(value)}")
    offset = match["offset"] or "Z"
    zone = "+00:00" if offset in {"Z", "z", "UTC"} else offset
    try:
        return utc_text(datetime.fromisoformat(f"{match['day']}T{match['time']}{zone}").astimezone(UTC))
    except (ValueError, OverflowError):
        raise MapError(f"{field}: {EXPECTED}, found {quote(value)}, which is not a valid date and time") from None


def epoch_ms(value: Any, field: str) -> str:
    """The time of a number of milliseconds since 1970; a string may hold the number, or an RFC 3339 time in UTC."""
    milliseconds = number(value)
    if milliseconds is None:
        return rfc3339(value, field, utc=True)
    if not EARLIEST_MS <= milliseconds < LATEST_MS:
        raise MapError(f"{field}: expected milliseconds since 1970, found {quote(value)}, which is not in 2001 to 2099")
    return utc_text(EPOCH + timedelta(milliseconds=milliseconds))


def utc_text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
