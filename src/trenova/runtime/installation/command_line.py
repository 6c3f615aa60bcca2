"""What a user must type so that commands find a data folder other than the default one."""

import shlex
from pathlib import Path

from trenova.runtime.installation import DEFAULT_DATA_DIR

VARIABLE = "TRENOVA_DATA_DIR"


def is_default(data_dir: Path) -> bool:
    return data_dir.resolve() == DEFAULT_DATA_DIR.resolve()


def flag(data_dir: Path) -> str:
    """The flag to append to a command; empty for the default folder."""
    return "" if is_default(data_dir) else f" --data-dir {shlex.quote(str(data_dir))}"


def export(data_dir: Path) -> str | None:
    """A line for a shell, after which commands need no flag; None for the default folder."""
    return None if is_default(data_dir) else f"export {VARIABLE}={shlex.quote(str(data_dir.resolve()))}"
