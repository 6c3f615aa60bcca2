"""Names that only the program itself writes under: an entry that anybody else sends with one of them is refused.

Readers take such entries for what the program says of itself. It writes them in the transaction of what they tell of.
Two alone come the way that everybody's entries come, for it is that way which they try; they can say nothing else.
"""

import re
from typing import Any

from trenova.config import TASK_QUEUE
from trenova.domain.entry import Entry, Party

TENANT_PREFIX = "_"
ACTION_PREFIXES = ("retention.", "hold.", "dead_letter.", "api_key.", "trenova.")
ACTOR_PREFIX = "trenova-"

SYSTEM_TENANT = "_trenova"
PROBE_ACTOR, PROBE_ACTION = Party(type="system", id="trenova-dev"), "trenova.probe"
SAMPLE_ACTOR, SAMPLE_ACTION = Party(type="system", id="trenova-verify-encryption"), "trenova.verify_encryption"
SELF_TESTS = {PROBE_ACTION: PROBE_ACTOR, SAMPLE_ACTION: SAMPLE_ACTOR}
SELF_TEST_TARGET = Party(type="system", id=TASK_QUEUE)
MARKER, MARKER_TEXT = "marker", re.compile(r"[0-9a-f]{1,64}")
# What an entry can say beside who, what and when. A trial has none of it but for a marker.
CONTENT = ("before", "after", "changes", "changes_omitted", "context", "comment", "critical")


def reserved_name_problem(entry: Entry) -> tuple[str, str] | None:
    """The field with a reserved name, as a JSON Pointer, and why it is refused; None where there is none."""
    if entry.tenant.startswith(TENANT_PREFIX):
        found = "/tenant", f"must not begin with {TENANT_PREFIX}: such tenants are the system's own"
    elif entry.action.startswith(ACTION_PREFIXES):
        word = entry.action.partition(".")[0]
        found = "/action", f"must not begin with {word}.: such actions are the system's own"
    elif entry.actor.id.startswith(ACTOR_PREFIX):
        found = "/actor/id", f"must not begin with {ACTOR_PREFIX}: such actors are the system's own"
    else:
        return None
    return None if is_self_test(entry) else found


def is_self_test(entry: Entry) -> bool:
    """Whether it is what `trenova dev` or `trenova verify-encryption` sends to see that entries are stored."""
    return (
        entry.tenant == SYSTEM_TENANT
        and entry.actor == SELF_TESTS.get(entry.action)
        and entry.target == SELF_TEST_TARGET
        and entry.outcome == "success"
        and all(getattr(entry, field) is None for field in CONTENT)
        and (entry.metadata is None or is_marker(entry.metadata))
    )


def is_marker(metadata: dict[str, Any]) -> bool:
    text = metadata.get(MARKER)
    return len(metadata) == 1 and isinstance(text, str) and MARKER_TEXT.fullmatch(text) is not None
