"""Whether a body is what the API would have sealed. The worker asks it of every entry that Temporal hands to it.

Whoever reaches the Temporal namespace can hand over anything. So nothing is believed: the body is read as strictly as a
request is, encoded again, and must be the same bytes. That leaves no room for white space, another order of the keys, a
repeated or unknown one, or another way to write a text, a number or a time.
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

# Servers without a time service drift by minutes. What is further ahead waits, parked, until its time has come, and is
# stored then by itself: so a wrong clock of an API server costs its entries time, and none of them is lost.
MAX_AHEAD = timedelta(minutes=10)
# A machine without a clock of its own starts in 1970 or when its system was built. Retention would take content from
# then for old, and remove it. No release of this program is as old as this.
EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)
# Computed changes repeat a value of `before` or `after` one level deeper: in an object in an array in the entry.
EXTRA_LEVELS = 1
DEFAULT_LIMITS = LimitSettings()
# Of tenants and actions a worker sees few, again and again.
CACHED_NAMES = 4096


class StrictEntry(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An entry with the rules of `Draft`. Tenant and action are checked apart: those checks are remembered."""

    occurred_at: Time
    received_at: Time
    context: dict[ContextKey, ContextValue] | None = None
    comment: Comment | None = None


decoder, encoder = msgspec.json.Decoder(StrictEntry), msgspec.json.Encoder(order="sorted")


class UnsealedBody(Exception):
    """The body is not what the API seals. `code` says in a word what is wrong; `reason` may quote the body."""

    def __init__(self, reason: str, *, code: str = NOT_SEALED) -> None:
        super().__init__(code)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is asked of a body beside its form."""

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
        again = encoder.encode(entry)
    except msgspec.ValidationError as error:
        field, message = decoding_errors.field_and_problem(str(error))
        raise UnsealedBody(f"{field} {message}".strip()) from None
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError) as error:
        raise UnsealedBody(str(error)) from None
    except RecursionError:
        raise UnsealedBody("nested too deep to be read") from None
    if again != body or entry.occurred_at.tzinfo is not UTC or entry.received_at.tzinfo is not UTC:
        raise UnsealedBody(
            "must be in canonical form: sorted keys, each once, no white space, no null fields, times in UTC"
        )
    check_content(body, entry, limits.max_nesting)
    return entry


def check_content(body: bytes, entry: Entry, max_nesting: int) -> None:
    """What no encoding shows. Cheap looks at the bytes first: they find no cause in nearly every body."""
    if entry.changes_omitted is not None and not may_omit_changes(entry):
        raise UnsealedBody("/changes_omitted must be true, beside before and after and without changes")
    if not strict_json.may_be_unfit(body, max_nesting):
        return
    if is_too_deep(entry, max_nesting):
        raise UnsealedBody(f"is nested deeper than {max_nesting} levels")
    if problem := strict_json.value_problem(msgspec.to_builtins(entry), max_nesting + EXTRA_LEVELS):
        raise UnsealedBody(problem)


def is_too_deep(entry: Entry, max_nesting: int) -> bool:
    """Only these fields can be deep. The entry is a level of its own; a value of a change lies three levels down."""
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
    if wrong := tenant_problem(entry.tenant):
        raise UnsealedBody(f"/tenant {wrong}")
    if wrong := action_problem(entry.action):
        raise UnsealedBody(f"/action {wrong}")
    if found := reserved_name_problem(entry):
        field, message = found
        raise UnsealedBody(f"{field} {message}", code=RESERVED)


def is_open_to_clients(tenant: str) -> bool:
    """Whether entries of this tenant are taken from anybody at all."""
    return tenant_problem(tenant) is None and not tenant.startswith(TENANT_PREFIX)


@lru_cache(CACHED_NAMES)
def tenant_problem(tenant: str) -> str | None:
    return None if re.search(TENANT_PATTERN, tenant) else decoding_errors.PATTERN_RULES["/tenant"]


@lru_cache(CACHED_NAMES)
def action_problem(action: str) -> str | None:
    good = len(action) <= MAX_ACTION_LENGTH and re.search(ACTION_PATTERN, action)
    return None if good else decoding_errors.PATTERN_RULES["/action"]
