"""How rows become columns, and how a command finds its server."""

from pathlib import Path

import msgspec
import pytest

from trenova.cli import api_client, options
from trenova.cli.entries import fit_widths
from trenova.cli.terminal.screen import literal
from trenova.errors import InvalidConfiguration, InvalidRequest
from trenova.runtime.installation.running import read_running


@pytest.mark.parametrize(
    ("widths", "screen", "cut"),
    [
        ([19, 5, 5], 33, [19, 5, 5]),
        ([19, 5, 5], 32, [19, 4, 5]),
        ([19, 50, 5], 40, [19, 12, 5]),
        ([19, 50, 50], 10, [19, 1, 1]),  # far too narrow: every column is still there
    ],
)
def test_the_widest_columns_are_reduced_and_never_the_time(widths: list[int], screen: int, cut: list[int]) -> None:
    assert fit_widths(widths, screen) == cut


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ada 漢字 é", "Ada 漢字 é"),
        ("[red]x[/red]", "[red]x[/red]"),
        ("a\x1b[2Jb\r\nc\td\x00", "a�[2Jb��c�d�"),
        ("\u202edrawkcab\u009b", "�drawkcab�"),
    ],
)
def test_a_cell_holds_its_text_and_no_control_character(text: str, shown: str) -> None:
    assert literal(text).plain == shown


@pytest.fixture
def running(tmp_path: Path) -> Path:
    content = {"api_url": "http://dev", "api_key": "dev-key", "database_url": "postgresql://dev", "more": 1}
    (tmp_path / "dev.json").write_bytes(msgspec.json.encode(content))
    return tmp_path


def test_the_server_is_the_given_one_or_else_the_running_one(running: Path) -> None:
    assert api_client.server_of(running, None, None) == ("http://dev", "dev-key")
    assert api_client.server_of(running, None, "other-key") == ("http://dev", "other-key")
    assert api_client.server_of(running, "http://other", "other-key") == ("http://other", "other-key")
    assert api_client.server_of(running, "http://dev", None) == ("http://dev", "dev-key")


def test_the_key_of_the_running_server_is_not_used_for_another(running: Path) -> None:
    with pytest.raises(InvalidConfiguration, match="TRENOVA_API_KEY: nothing given"):
        api_client.server_of(running, "http://other", None)


def test_a_running_installation_is_represented_without_its_secrets(running: Path) -> None:
    assert "key" not in repr(read_running(running)).replace("api_key", "")


def test_a_tenant_is_checked_as_the_api_checks_it() -> None:
    options.check_tenant(None)
    options.check_tenant("acme-1.eu_west")
    for tenant in ("", "two words", "a/b", "x" * 129, "acme\n"):
        with pytest.raises(InvalidRequest, match="invalid tenant"):
            options.check_tenant(tenant)
