"""What `--json` prints: an object a line, errors too."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from trenova.cli.screen import escaped


def print_lines(values: Iterable[Any]) -> None:
    """As JSON, one a line: what `--json` makes of a list."""
    for value in values:
        print(plain_json(value))


def print_error(message: str, *, hint: str | None, exit_code: int, problems: Sequence[str] = ()) -> None:
    """As docs/command-line.md describes it: one object, on a line of its own, the last of standard error."""
    told = {"error": message, "problems": list(problems), "hint": hint, "exit_code": exit_code}
    print(plain_json(told), file=sys.stderr)


def plain_json(value: Any) -> str:
    return escaped(msgspec.json.encode(value).decode())
