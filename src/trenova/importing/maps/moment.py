"""When it happened, as RFC 3339 in UTC with at most microseconds (what PostgreSQL keeps)."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from trenova.importing.maps.error import MapError
from trenova.importing.maps.fields import number, shown
from trenova.importing.record import kind

SPELLING = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)[Tt ](?P<time>\d\d:\d\d:\d\d(?:\.\d{1,9})?) ?(?P<offset>[Zz]|UTC|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Outside of these years a number of milliseconds is one of seconds or microseconds in disguise.
EARLIEST_MS, LATEST_MS = 1_000_000_000_000, 4_102_444_800_000
EXPECTED = "expected a time such as 2026-01-31T09:30:00Z"


def rfc3339(value: Any, field: str, *, utc: bool) -> str:
    """The time that `value` spells. `utc`: the product documents its times as UTC, so one without an offset is UTC.

    Nanoseconds are cut to microseconds. Raises MapError for anything else, never guesses.
    """
    if not isinstance(value, str):
        raise MapError(f"{field}: {EXPECTED}, found {kind(value)}")
    match = SPELLING.fullmatch(value)
    if match is None or not (match["offset"] or utc):
        raise MapError(f"{field}: {EXPECTED}, found {shown(value)}")
    offset = match["offset"] or "Z"
    zone = "+00:00" if offset in {"Z", "z", "UTC"} else offset
    try:
        return written(datetime.fromisoformat(f"{match['day']}T{match['time']}{zone}").astimezone(UTC))
    except (ValueError, OverflowError):
        raise MapError(f"{field}: {EXPECTED}, found {shown(value)}, which is no date or time of day") from None


def epoch_ms(value: Any, field: str) -> str:
    """The time of a number of milliseconds since 1970; a string may hold the number, or an RFC 3339 time in UTC."""
    milliseconds = number(value)
    if milliseconds is None:
        return rfc3339(value, field, utc=True)
    if not EARLIEST_MS <= milliseconds < LATEST_MS:
        raise MapError(f"{field}: expected milliseconds since 1970, found {shown(value)}, which is not in 2001 to 2099")
    return written(EPOCH + timedelta(milliseconds=milliseconds))


def written(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
