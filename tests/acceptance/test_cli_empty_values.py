"""An unset shell variable becomes an empty argument, which never counts as an absent one."""

import pytest

from acceptance.conftest import User


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("preflight", "--backup-check"),
        ("doctor", "--api-url"),
        ("doctor", "--api-key"),
        ("entries", "--api-key"),
        *(("hold place --all-tenants --name n --reason r", option) for option in ("--actor", "--action", "--target")),
    ],
)
@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_value_is_wrong_usage(newcomer: User, words: str, option: str, empty: str) -> None:
    ended = newcomer(*words.split(), option, empty)
    assert (ended.exit_code, ended.out) == (2, "")
    assert f"Invalid value for '{option}'" in ended.err


def test_an_empty_variable_counts_as_unset(newcomer: User) -> None:
    error, _ = newcomer("entries", TRENOVA_API_URL="", TRENOVA_API_KEY="").error_and_hint()
    assert error.startswith("invalid configuration: TRENOVA_API_URL: nothing given")
