"""Every command named in a sentence of a page, a hint or a comment exists, and so do its options."""

import re
from pathlib import Path
from typing import Any

from typer.main import get_command

from acceptance.docs.blocks import CHECKOUT
from trenova.cli.main import app

READ = ("README.md", "CONTRIBUTING.md", "docs/**/*.md", "deploy/**/*", "src/**/*.py", "config/*", "Makefile")
# After a backtick or a prompt, up to its end; `trenova.client` and `trenova_api` are not commands.
COMMAND = re.compile(r"(?:`|\$ )trenova ([a-z][^`\n]*)")
WORD = re.compile(r"[a-z][a-z-]*")
QUOTED = re.compile(r"'[^']*'")
OPTION = re.compile(r"--[a-z][a-z-]*")
NAMED = sorted(
    {
        (found[1].strip(), str(path.relative_to(CHECKOUT)))
        for pattern in READ
        for path in CHECKOUT.glob(pattern)
        if path.is_file() and path.suffix in {".md", ".py", ".yaml", ".sh", ".json", ".service", ""}
        for found in COMMAND.finditer(path.read_text())
    }
)


def problems_of(text: str) -> list[str]:
    typed = re.split(r"[|;&>#]", QUOTED.sub("''", text))[0]
    command: Any = get_command(app)
    for word in typed.split():
        if not hasattr(command, "commands") or not WORD.fullmatch(word):
            break
        if word not in command.commands:
            return [f"there is no command {word}"]
        command = command.commands[word]
    known = {"--help", "--version", *(name for each in command.params for name in [*each.opts, *each.secondary_opts])}
    return [f"{command.name} has no option {option}" for option in OPTION.findall(typed) if option not in known]


def test_every_command_that_is_named_can_be_typed() -> None:
    problems = {f"{where}: {text}": found for text, where in NAMED if (found := problems_of(text))}
    assert problems == {}


def test_commands_are_found_in_pages_and_in_the_program() -> None:
    places = {Path(where).parts[0] for _, where in NAMED}
    assert {"README.md", "docs", "src", "deploy"} <= places
