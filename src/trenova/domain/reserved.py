"""Names that are reserved for Trenova: an entry with one of them is invalid if a client sends it.

Such entries are Trenova's own records. It writes them in the same transaction as the change that they record. Only two
self-tests are sent like clients' entries, because they test that path; their content is fixed.
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
# Fields that a self-test must not have; it may have a marker in its metadata.
CONTENT = ("before", "after", "changes", "changes_omitted", "context", "comment", "critical")


def reserved_name_problem(entry: Entry) -> tuple[str, str] | None:
    """The field with a reserved name, as a JSON Pointer, and what is wrong; None if no name is reserved."""
    if entry.tenant.startswith(TENANT_PREFIX):
        problem = "/tenant", f"must not begin with {TENANT_PREFIX}: such tenants are reserved for the system"
    elif entry.action.startswith(ACTION_PREFIXES):
        word = entry.action.partition(".")[0]
        problem = "/action", f"must not begin with {word}.: such actions are reserved for the system"
    elif entry.actor.id.startswith(ACTOR_PREFIX):
        problem = "/actor/id", f"must not begin with {ACTOR_PREFIX}: such actors are reserved for the system"
    else:
        return None
    return None if is_self_test(entry) else problem


def is_self_test(entry: Entry) -> bool:
    """Whether the entry is exactly one that `trenova dev` or `trenova verify-encryption` sends as a self-test."""
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
