"""Assembles an entry from the facts in a record, within the limits of an entry."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trenova.domain import strict_json
from trenova.domain.entry import MAX_ACTION_LENGTH, MAX_ID_LENGTH
from trenova.domain.reserved import ACTION_PREFIXES
from trenova.importing.maps.error import MapError
from trenova.importing.maps.fields import Event, quote
from trenova.importing.maps.identity import encode_fast, encode_json
from trenova.importing.record import MAX_NESTING

MAX_TYPE_LENGTH = 128
MAX_NAME_LENGTH = 1024
MAX_CONTEXT_LENGTH = 4096
TENANT = re.compile(r"[A-Za-z0-9._-]{1,128}")
ACTION = re.compile(r"[a-z0-9][a-z0-9_-]*(?:\.[a-z0-9][a-z0-9_-]*)*")

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Party:
    """An actor or a target."""

    type: str
    id: str
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a map read from a record. With `tenant` None the API key decides."""

    id: str
    tenant: str | None
    occurred_at: str
    actor: Party
    action: str
    target: Party
    outcome: str
    context: Mapping[str, str | None]


def assemble(product: str, event: Event, facts: Facts) -> Entry:
    """The entry, with the whole record in `metadata` under the product's name, so that no evidence is lost.

    Ids, types and actions over their limit are refused: a shortened one would be a different one. A name or a value of
    the context over its limit is omitted there; it is still in `metadata`.
    """
    entry: Entry = {
        "id": facts.id,
        "occurred_at": facts.occurred_at,
        "actor": party_fields("actor", facts.actor),
        "action": check_length("action", prefix_reserved(product, facts.action), MAX_ACTION_LENGTH),
        "target": party_fields("target", facts.target),
        "outcome": facts.outcome,
        "metadata": {product: event},
    }
    if facts.tenant is not None:
        entry["tenant"] = tenant_name(facts.tenant)
    context = {key: value for key, value in facts.context.items() if value and len(value) <= MAX_CONTEXT_LENGTH}
    if context:
        entry["context"] = context
    if not ACTION.fullmatch(facts.action):
        raise MapError(f"action: expected dotted lower-case words, found {quote(facts.action)}")
    check_storable(entry)
    return entry


def prefix_reserved(product: str, action: str) -> str:
    """The action, prefixed with the product if Trenova reserves its beginning: `github.hold.create`."""
    return f"{product}.{action}" if action.startswith(ACTION_PREFIXES) else action


def party_fields(field: str, party: Party) -> Entry:
    fields = {
        "type": check_length(f"{field}.type", party.type, MAX_TYPE_LENGTH),
        "id": check_length(f"{field}.id", party.id, MAX_ID_LENGTH),
    }
    if party.name and len(party.name) <= MAX_NAME_LENGTH:
        fields["name"] = party.name
    return fields


def check_length(field: str, value: str, limit: int) -> str:
    if len(value) > limit:
        raise MapError(f"{field}: expected at most {limit} characters, found {len(value):,}")
    return value


def tenant_name(value: str) -> str:
    if not TENANT.fullmatch(value):
        expected = "1 to 128 of the characters A-Z a-z 0-9 . _ -"
        raise MapError(f"tenant: expected {expected}, found {quote(value)}; name one with --tenant")
    return value


def check_storable(entry: Entry) -> None:
    """Raise MapError for what cannot be stored: U+0000, half a surrogate pair, huge integers, deep nesting."""
    text = encode_json(entry, encode_fast)
    try:
        problem = strict_json.problem(text, text, max_nesting=MAX_NESTING)
    except (ValueError, RecursionError):
        problem = f"is nested deeper than {MAX_NESTING} levels, or holds an integer beyond 64 bits"
    if problem:
        raise MapError(f"the entry {problem}")
