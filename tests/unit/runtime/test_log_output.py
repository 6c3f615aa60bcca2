"""Log lines on a terminal: names in them cannot control it."""

import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from trenova.config import LogSettings
from trenova.runtime.log_output import set_up


@pytest.fixture
def restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


@pytest.mark.usefixtures("restore_logging")
@pytest.mark.parametrize("form", ["console", "json"])
def test_a_name_with_escapes_and_line_breaks_is_one_harmless_line(
    capsys: pytest.CaptureFixture[str], form: str
) -> None:
    set_up(LogSettings.model_validate({"format": form}))
    bad = "by hand\x1b[2J\r\nworker stopped\u202e\x9b1m"
    structlog.get_logger().info("batch stored", workflow_id=bad)
    logging.getLogger("foreign").warning("of %s", bad)
    sys.stderr.flush()
    written = capsys.readouterr().err
    assert len(written.splitlines()) == 2
    assert "by hand" in written
    for char in ("\x1b", "\r", "\u202e", "\x9b"):
        assert char not in written.replace("\x1b[0m", "")
