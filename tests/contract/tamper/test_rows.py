"""A row that is said to be removed, and still says something."""

from typing import Any

import pytest

from examples import body
from trenova.ledger.hashing import SALT_BYTES, leaf
from trenova.store.appending import rows as stored
from trenova.store.verification import rows

KEPT = {"tenant", "id", "received_at"}
NAMES = ("index", *rows.REPEATED, "salt", "commitment", "body")


def removed(**left: Any) -> tuple[Any, ...]:
    """The row of a removed entry, with these columns left in it."""
    whole = dict(zip(NAMES, stored.row_of_body(0, body("acme"), bytes(SALT_BYTES)), strict=True))
    return tuple(whole[name] if name in {"index", "commitment", *KEPT} else left.get(name) for name in NAMES)


def places(row: tuple[Any, ...]) -> list[tuple[str, str]]:
    found = rows.check("acme", range(1), [row], leaf(row[NAMES.index("commitment")]))
    assert found.removed == [0]
    return [(place.expected, place.got) for place in found.places]


def test_a_row_with_nothing_left_is_sound() -> None:
    assert places(removed()) == []


@pytest.mark.parametrize("name", [name for name in rows.REPEATED if name not in KEPT])
def test_a_column_that_repeats_content_and_was_left_is_named_without_what_it_says(name: str) -> None:
    assert places(removed(**{name: "secret"})) == [(f"{name} removed as the body is", "something")]
