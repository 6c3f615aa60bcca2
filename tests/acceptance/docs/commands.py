"""The commands that the command line has, and where a page names them."""

import re
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from trenova.cli.main import app

# In a code span, behind a prompt, or at the beginning of a line of a block that is typed.
NAMED = re.compile(r"(?:`|^\s*(?:[$#] )?|\$\(|\$ (?:\w+=\S+ )+|; )trenova ([a-z][^`\n]*)", re.MULTILINE)
WORD = re.compile(r"[a-z][a-z-]*")


def all_commands(group: Any = None, path: str = "") -> Iterator[str]:
    """Every command that can be typed, with the words that lead to it: `migrate`, `keys check`."""
    root: Any = group or get_command(app)
    for name, command in root.commands.items():
        if getattr(command, "hidden", False):
            continue
        if hasattr(command, "commands"):
            yield from all_commands(command, f"{path}{name} ")
        else:
            yield f"{path}{name}"


def commands_in(text: str) -> Iterator[str]:
    """The commands that a text names, each with the words that lead to it; what the command line lacks is left out."""
    known = set(all_commands())
    for found in NAMED.finditer(text):
        words = [word.rstrip(",.;:)") for word in found[1].split()[:3]]
        for count in range(len(words), 0, -1):
            if (command := " ".join(words[:count])) in known:
                yield command
                break
