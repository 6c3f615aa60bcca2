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


def sealed(**fields: Any) -> bytes:
    return body("acme", id=ID, **fields)


def test_an_entry_that_is_sent_again_says_the_same() -> None:
    assert has_same_content(sealed(), sealed())
    assert has_same_content(sealed(), sealed(received_at=LATER))
    assert has_same_content(sealed(occurred_at=NOON), sealed(occurred_at=NOON, received_at=LATER))


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
    assert not has_same_content(sealed(), sealed(**fields))
    assert not has_same_content(sealed(received_at=LATER), sealed(**fields))
    assert not has_same_content(sealed(**fields), sealed(received_at=LATER))


def test_times_of_their_own_are_compared() -> None:
    assert not has_same_content(sealed(occurred_at=NOON), sealed(occurred_at="2026-01-31T12:00:01Z"))


def test_true_is_not_1() -> None:
    assert not has_same_content(sealed(metadata={"a": True}), sealed(metadata={"a": 1}))
    assert not has_same_content(sealed(metadata={"a": [0]}), sealed(metadata={"a": [False]}))
