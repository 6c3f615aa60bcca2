"""The command line starts quickly: nothing slow is imported before a command needs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trenova.cli.command_table import COMMANDS, load_command

# Each costs more time to import than the whole of `trenova --version`, or brings one that does.
SLOW = {
    "alembic",
    "asyncio",
    "cryptography",
    "httpx",
    "litestar",
    "psycopg",
    "pydantic",
    "rich",
    "sqlalchemy",
    "stamina",
    "structlog",
    "temporalio",
    "trenova.config",
    "trenova.store",
    "yaml",
}
PROGRAM = """
import importlib, sys
from trenova.cli import main
for name in sys.argv[1:]:
    importlib.import_module(name)
print(*sys.modules)
"""
# What is registered first runs last.
EXIT = """
import atexit, gc, sys
atexit.register(lambda: print(gc.get_freeze_count() > 10_000))
sys.argv = ["trenova", "--version"]
from trenova.cli.main import main
main()
"""
HELP = """
import sys
from trenova.cli import main
sys.argv = ["trenova", "--help"]
sys.stdout = sys.stderr
try:
    main.app()
except SystemExit:
    print(*sys.modules, file=sys.__stdout__)
"""


def loaded_modules(program: str, *arguments: str) -> set[str]:
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    return set(ended.stdout.split())


@pytest.mark.parametrize(("name", "listing"), COMMANDS.items(), ids=COMMANDS)
def test_the_list_of_commands_says_what_the_command_itself_says(name: str, listing: tuple[str, str, str]) -> None:
    help_text = load_command(name).help
    assert help_text is not None
    assert help_text.split("\n\n")[0] == listing[2]


def test_no_module_of_a_command_imports_anything_slow() -> None:
    modules = sorted({listing.module for listing in COMMANDS.values()})
    assert not SLOW & loaded_modules(PROGRAM, *modules)


def test_the_list_of_commands_is_printed_without_loading_one() -> None:
    loaded = loaded_modules(HELP)
    assert not {listing.module for listing in COMMANDS.values()} & loaded
    assert not (SLOW - {"asyncio", "rich"}) & loaded


@pytest.mark.parametrize(
    ("words", "proposals"),
    [
        ("trenova ent", {"entries"}),
        ("trenova api-key re", {"revoke"}),
        ("trenova retention set --for", {"--forever"}),
        ("trenova entries --outcome de", {"denied"}),
    ],
)
def test_the_shell_completes_commands_options_and_values(words: str, proposals: set[str]) -> None:
    variables = {
        **os.environ,
        "_TRENOVA_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    ended = subprocess.run(
        [Path(sys.executable).with_name("trenova")],
        env=variables,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert set(ended.stdout.split()) == proposals


def test_at_its_exit_python_does_not_look_for_garbage_among_what_was_imported() -> None:
    ended = subprocess.run([sys.executable, "-c", EXIT], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "True"
