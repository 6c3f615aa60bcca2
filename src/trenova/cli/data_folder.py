"""What to type before a command that an answer names, where the data folder was given by a flag: it would lack it."""

import re
from collections.abc import Sequence
from pathlib import Path

from trenova.runtime.installation import command_line

FLAG = "--data-dir"
COMMAND = re.compile(r"\b(trenova|make) [a-z]")


def advice(argv: Sequence[str], text: str | None) -> str | None:
    """A sentence with that line, or None where none is needed: no command in the text, or none without the flag."""
    folder = given(argv)
    if folder is None or text is None or not COMMAND.search(text):
        return None
    line = command_line.export(folder)
    return None if line is None else f"for the same data folder, type first: {line}"


def given(argv: Sequence[str]) -> Path | None:
    for word, value in zip(argv, [*argv[1:], ""], strict=True):
        if word == FLAG and value:
            return Path(value)
        if word.startswith(f"{FLAG}="):
            return Path(word.removeprefix(f"{FLAG}="))
    return None
