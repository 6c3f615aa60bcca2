"""What `--json` prints: one object per line, errors too."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from trenova.cli.terminal.text import printable_json


def print_lines(values: Iterable[Any]) -> None:
    """Print each value as JSON on a line: what `--json` makes of a list."""
    for value in values:
        print(to_json(value))


def print_error(message: str, *, hint: str | None, exit_code: int, problems: Sequence[str] = ()) -> None:
    """Print an error as docs/command-line.md describes it: one object, as the last line of standard error."""
    error = {"error": message, "problems": list(problems), "hint": hint, "exit_code": exit_code}
    print(to_json(error), file=sys.stderr)


def to_json(value: Any) -> str:
    return printable_json(msgspec.json.encode(value).decode())
