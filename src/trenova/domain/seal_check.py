"""Whether a body is exactly what the API would seal. The worker checks every entry that it gets from Temporal.

Anyone with access to the Temporal namespace can send anything. So nothing is trusted: the body is decoded as strictly
as a request, encoded again, and must give the same bytes. That excludes white space, another order of keys, repeated or
unknown keys, and any other spelling of a string, a number or a time.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from trenova.config import LimitSettings
from trenova.domain import decoding_errors, strict_json
from trenova.domain.entry import (
    ACTION_PATTERN,
    CANONICAL_FACTOR,
    MAX_ACTION_LENGTH,
    TENANT_PATTERN,
    Comment,
    ContextKey,
    ContextValue,
    Entry,
    Time,
)
from trenova.domain.reserved import TENANT_PREFIX, reserved_name_problem

NOT_SEALED, RESERVED, CLOCK = "not_sealed", "reserved", "clock"

# Servers without a time service drift by minutes. An entry further ahead is parked until its time has come, and is then
# stored automatically: a wrong clock of an API server delays entries, but loses none.
MAX_AHEAD = timedelta(minutes=10)
# A machine without a hardware clock starts in 1970 or at the build time of its system. Retention would consider content
# from then old, and remove it. No release of Trenova is older than this.
EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)
# Computed changes repeat a value of `before` or `after` one level deeper: in an object in an array in the entry.
EXTRA_LEVELS = 1
DEFAULT_LIMITS = LimitSettings()
# A worker sees the same few tenants and actions repeatedly.
CACHED_NAMES = 4096


class StrictEntry(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An entry with the rules of `Draft`. Tenant and action are checked separately, with a cache."""

    occurred_at: Time
    received_at: Time
    context: dict[ContextKey, ContextValue] | None = None
    comment: Comment | None = None


decoder, encoder = msgspec.json.Decoder(StrictEntry), msgspec.json.Encoder(order="sorted")


class UnsealedBody(Exception):
    """The body is not what the API seals. `code` is the kind of problem; `reason` may quote the body."""

    def __init__(self, reason: str, *, code: str = NOT_SEALED) -> None:
        super().__init__(code)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The limits and the current time for a check."""

    limits: LimitSettings
    now: datetime


def read_sealed(body: bytes, rules: Rules) -> Entry:
    """The entry in the body. Raises UnsealedBody unless the API would seal just these bytes, and would do so now."""
    entry = decode_sealed(body, rules.limits)
    check_names(entry)
    if not EARLIEST <= entry.received_at <= rules.now + MAX_AHEAD:
        raise UnsealedBody(
            f"/received_at must be from {EARLIEST.year} on and at most {MAX_AHEAD.seconds // 60} minutes ahead of the "
            f"worker's clock, which says {format_time(rules.now)}; it is {format_time(entry.received_at)}",
            code=CLOCK,
        )
    return entry


def format_time(time: datetime) -> str:
    return time.isoformat(timespec="seconds")


def decode_sealed(body: bytes, limits: LimitSettings) -> Entry:
    most = CANONICAL_FACTOR * limits.max_entry_bytes
    if len(body) > most:
        raise UnsealedBody(f"has {len(body):,} bytes, the limit is {most:,}")
    try:
        entry = decoder.decode(body)
        encoded = encoder.encode(entry)
    except msgspec.ValidationError as error:
        field, message = decoding_errors.field_and_problem(str(error))
        raise UnsealedBody(f"{field} {message}".strip()) from None
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError) as error:
        raise UnsealedBody(str(error)) from None
    except RecursionError:
        raise UnsealedBody("is nested too deeply to be read") from None
    if encoded != body or entry.occurred_at.tzinfo is not UTC or entry.received_at.tzinfo is not UTC:
        raise UnsealedBody(
            "must be in canonical form: sorted keys, each once, no white space, no null fields, times in UTC"
        )
    check_content(body, entry, limits.max_nesting)
    return entry


def check_content(body: bytes, entry: Entry, max_nesting: int) -> None:
    """Check what re-encoding does not reveal. Cheap checks of the bytes come first: nearly every body passes them."""
    if entry.changes_omitted is not None and not may_omit_changes(entry):
        raise UnsealedBody("/changes_omitted must be true, beside before and after and without changes")
    if not strict_json.may_be_unfit(body, max_nesting):
        return
    if is_too_deep(entry, max_nesting):
        raise UnsealedBody(f"is nested deeper than {max_nesting} levels")
    if problem := strict_json.value_problem(msgspec.to_builtins(entry), max_nesting + EXTRA_LEVELS):
        raise UnsealedBody(problem)


def is_too_deep(entry: Entry, max_nesting: int) -> bool:
    """Whether a field is nested too deeply. The entry itself is one level; a value in a change is three levels down."""
    values = [value for change in entry.changes or () for value in (change.before, change.after)]
    return any(
        isinstance(value, dict | list) and strict_json.is_deeper_than(levels, value)
        for levels, nested in (
            (max_nesting - 1, [entry.before, entry.after, entry.metadata]),
            (max_nesting - 3 + EXTRA_LEVELS, values),
        )
        for value in nested
    )


def may_omit_changes(entry: Entry) -> bool:
    return entry.changes_omitted is True and None not in (entry.before, entry.after) and entry.changes is None


def check_names(entry: Entry) -> None:
    if problem := tenant_problem(entry.tenant):
        raise UnsealedBody(f"/tenant {problem}")
    if problem := action_problem(entry.action):
        raise UnsealedBody(f"/action {problem}")
    if reserved := reserved_name_problem(entry):
        field, message = reserved
        raise UnsealedBody(f"{field} {message}", code=RESERVED)


def is_open_to_clients(tenant: str) -> bool:
    """Whether clients may send entries of this tenant."""
    return tenant_problem(tenant) is None and not tenant.startswith(TENANT_PREFIX)


@lru_cache(CACHED_NAMES)
def tenant_problem(tenant: str) -> str | None:
    return None if re.search(TENANT_PATTERN, tenant) else decoding_errors.PATTERN_RULES["/tenant"]


@lru_cache(CACHED_NAMES)
def action_problem(action: str) -> str | None:
    is_valid = len(action) <= MAX_ACTION_LENGTH and re.search(ACTION_PATTERN, action)
    return None if is_valid else decoding_errors.PATTERN_RULES["/action"]
