"""Events of other products whose actions begin like those that Trenova reserves."""

import pytest

from trenova.importing.maps.entry import prefix_reserved


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("hold.create", "github.hold.create"),
        ("api_key.revoke", "github.api_key.revoke"),
        ("trenova.probe", "github.trenova.probe"),
        ("org.api_key.create", "org.api_key.create"),
        ("holder.add", "holder.add"),
    ],
)
def test_a_reserved_action_is_prefixed_with_its_product(action: str, expected: str) -> None:
    assert prefix_reserved("github", action) == expected
