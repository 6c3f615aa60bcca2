"""Whether two sealed entries say the same."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from examples import RECEIVED_AT, body
from trenova.domain.same_content import has_same_content

LATER = RECEIVED_AT + timedelta(hours=1)
ID = str(uuid4())
NOON = "2026-01-31T12:00:00Z"


def seal_fields(**fields: Any) -> bytes:
    return body("acme", id=ID, **fields)


def test_an_entry_that_is_sent_again_has_the_same_content() -> None:
    assert has_same_content(seal_fields(), seal_fields())
    assert has_same_content(seal_fields(), seal_fields(received_at=LATER))
    assert has_same_content(seal_fields(occurred_at=NOON), seal_fields(occurred_at=NOON, received_at=LATER))


@pytest.mark.parametrize(
    "fields",
    [
        {"comment": "another"},
        {"outcome": "denied"},
        {"metadata": {"received_at": "x"}},
        {"metadata": {}},
        {"occurred_at": NOON},
        {"actor": {"type": "user", "id": "u-1"}},
        {"critical": False},
    ],
)
def test_any_other_content_differs_however_it_was_received(fields: dict[str, Any]) -> None:
    assert not has_same_content(seal_fields(), seal_fields(**fields))
    assert not has_same_content(seal_fields(received_at=LATER), seal_fields(**fields))
    assert not has_same_content(seal_fields(**fields), seal_fields(received_at=LATER))


def test_times_that_the_client_sent_are_compared() -> None:
    assert not has_same_content(seal_fields(occurred_at=NOON), seal_fields(occurred_at="2026-01-31T12:00:01Z"))


def test_true_differs_from_1() -> None:
    assert not has_same_content(seal_fields(metadata={"a": True}), seal_fields(metadata={"a": 1}))
    assert not has_same_content(seal_fields(metadata={"a": [0]}), seal_fields(metadata={"a": [False]}))
