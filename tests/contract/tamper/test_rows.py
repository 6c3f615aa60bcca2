"""A row that is marked as removed but still holds content."""

from typing import Any

import pytest

from examples import body
from trenova.ledger.hashing import SALT_BYTES, leaf
from trenova.store.appending.rows import row_of_body
from trenova.store.verification import rows
from trenova.store.verification.rows import KEPT, REPEATED, StoredRow


def removed_row(**left: Any) -> StoredRow:
    """The row of a removed entry, with these columns left in it."""
    row = StoredRow(*row_of_body(0, body("acme"), bytes(SALT_BYTES)))
    emptied: dict[str, Any] = {name: left.get(name) for name in (*REPEATED, "salt", "body") if name not in KEPT}
    return row._replace(**emptied)


def problems(row: StoredRow) -> list[tuple[str, str]]:
    checked = rows.check("acme", range(1), [row], leaf(row.commitment))
    assert checked.removed == [0]
    return [(place.expected, place.got) for place in checked.places]


def test_a_row_with_nothing_left_is_sound() -> None:
    assert problems(removed_row()) == []


@pytest.mark.parametrize("name", [name for name in REPEATED if name not in KEPT])
def test_a_column_that_repeats_content_and_was_left_is_named_without_its_value(name: str) -> None:
    assert problems(removed_row(**{name: "secret"})) == [(f"{name} removed as the body is", "something")]
