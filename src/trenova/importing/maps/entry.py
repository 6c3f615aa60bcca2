"""Putting an entry together, within the limits of one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trenova.domain import strict_json
from trenova.domain.entry import MAX_ACTION_LENGTH, MAX_ID_LENGTH
from trenova.domain.reserved import ACTION_PREFIXES
from trenova.importing.maps.error import MapError
from trenova.importing.maps.fields import Event, shown
from trenova.importing.maps.identity import encode_fast, encoded
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
    """What a map found out about one record. `tenant` None: the API key decides."""

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

    Ids, types and actions over their limit are refused, for a cut one would be another one. A name or a value of the
    context over its limit is left out there; it is still in `metadata`.
    """
    entry: Entry = {
        "id": facts.id,
        "occurred_at": facts.occurred_at,
        "actor": party("actor", facts.actor),
        "action": within("action", free(product, facts.action), MAX_ACTION_LENGTH),
        "target": party("target", facts.target),
        "outcome": facts.outcome,
        "metadata": {product: event},
    }
    if facts.tenant is not None:
        entry["tenant"] = tenant_name(facts.tenant)
    context = {key: value for key, value in facts.context.items() if value and len(value) <= MAX_CONTEXT_LENGTH}
    if context:
        entry["context"] = context
    if not ACTION.fullmatch(facts.action):
        raise MapError(f"action: expected dotted lower-case words, found {shown(facts.action)}")
    storable(entry)
    return entry


def free(product: str, action: str) -> str:
    """The action; where Trenova keeps its beginning for itself, with the product before it: `github.hold.create`."""
    return f"{product}.{action}" if action.startswith(ACTION_PREFIXES) else action


def party(field: str, found: Party) -> Entry:
    parts = {
        "type": within(f"{field}.type", found.type, MAX_TYPE_LENGTH),
        "id": within(f"{field}.id", found.id, MAX_ID_LENGTH),
    }
    if found.name and len(found.name) <= MAX_NAME_LENGTH:
        parts["name"] = found.name
    return parts


def within(field: str, value: str, most: int) -> str:
    if len(value) > most:
        raise MapError(f"{field}: expected at most {most} characters, found {len(value):,}")
    return value


def tenant_name(value: str) -> str:
    if not TENANT.fullmatch(value):
        expected = "1 to 128 of the characters A-Z a-z 0-9 . _ -"
        raise MapError(f"tenant: expected {expected}, found {shown(value)}; name one with --tenant")
    return value


def storable(entry: Entry) -> None:
    """Raises MapError for what no audit log can keep: U+0000, half a character, huge integers, bottomless nesting."""
    text = encoded(entry, encode_fast)
    try:
        found = strict_json.problem(text, text, max_nesting=MAX_NESTING)
    except (ValueError, RecursionError):
        found = f"is nested deeper than {MAX_NESTING} levels, or holds an integer beyond 64 bits"
    if found:
        raise MapError(f"the entry {found}")
