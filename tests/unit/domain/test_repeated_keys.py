"""Repeated keys are noticed by the quotation marks of the sealed entry, so its own must be known exactly."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import RECEIVED_AT, entry
from trenova.config import LimitSettings
from trenova.domain import intake, strict_json

ACME = intake.RequestContext(received_at=RECEIVED_AT, tenant="acme")
LIMITS = LimitSettings()
OPTIONAL: dict[str, Any] = {
    "id": "0199a0c0-0000-7000-8000-000000000001",
    "tenant": "acme",
    "occurred_at": "2026-01-31T10:00:00+02:00",
    "outcome": "denied",
    "before": {"a": "x", "b": ["y"], "c": {}},
    "after": {"a": 'x "z"', "c": {"d": "e"}},
    "changes": [{"path": "/a", "op": "add", "after": "x"}],
    "context": {"ip": "127.0.0.1"},
    "comment": 'the "best"',
    "metadata": {"k": "v"},
    "critical": True,
}
REQUIRED = {"actor": {"type": "user", "id": "u-1"}, "action": "a.b", "target": {"type": "thing", "id": "t-1"}}


@given(st.sets(st.sampled_from(sorted(OPTIONAL))))
def test_the_number_of_added_marks_is_right_for_every_choice_of_fields(chosen: set[str]) -> None:
    text = json.dumps(REQUIRED | {name: OPTIONAL[name] for name in chosen})
    raw = text.encode()
    draft = intake.read(raw, LIMITS)
    complete = intake.complete(draft, 0, ACME, 2 * LIMITS.max_entry_bytes)
    added = intake.added_quotation_marks(draft, complete)
    body = intake.encoder.encode(complete)
    assert not strict_json.may_repeat_a_key(raw, body, added=added)

    again = text.replace('"type": "user"', '"type": "user", "type": "user"').encode()
    with pytest.raises(intake.UnfitEntry) as refused:
        intake.seal(again, 0, ACME, LIMITS)
    assert refused.value.message == "the key 'type' occurs twice in one object"


def test_the_number_of_added_marks_is_right_when_changes_are_omitted() -> None:
    long = "k" * 5000
    raw = json.dumps(entry(before={}, after={long: {"a": 1}})).encode()
    draft = intake.read(raw, LIMITS)
    complete = intake.complete(draft, 0, ACME, 2 * LIMITS.max_entry_bytes)
    assert complete.changes_omitted
    body = intake.encoder.encode(complete)
    assert not strict_json.may_repeat_a_key(raw, body, added=intake.added_quotation_marks(draft, complete))
