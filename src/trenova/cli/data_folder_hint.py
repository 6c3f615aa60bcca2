"""A hint for commands that an answer names: without the `--data-dir` of this call they would use another folder."""

import re
from collections.abc import Sequence
from pathlib import Path

from trenova.runtime.installation import command_line

FLAG = "--data-dir"
COMMAND = re.compile(r"\b(trenova|make) [a-z]")


def export_hint(argv: Sequence[str], text: str | None) -> str | None:
    """The `export` to type first. None if `text` names no command, or the call had no `--data-dir`."""
    folder = data_dir_flag(argv)
    if folder is None or text is None or not COMMAND.search(text):
        return None
    line = command_line.export(folder)
    return None if line is None else f"for the same data folder, type first: {line}"


def data_dir_flag(argv: Sequence[str]) -> Path | None:
    """The value of `--data-dir` on the command line."""
    for word, value in zip(argv, [*argv[1:], ""], strict=True):
        if word == FLAG and value:
            return Path(value)
        if word.startswith(f"{FLAG}="):
            return Path(word.removeprefix(f"{FLAG}="))
    return None
