"""Every command block of every page is typed here, one after the other, on a separate installation."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from itertools import groupby, takewhile

import pytest
import yaml

from acceptance.conftest import BESIDE_PYTHON, Dev, dev_with, environment, run
from acceptance.docs.blocks import ALL, CHECKOUT, NOT_RUN, RUN_BY, TYPED, Block, Command
from acceptance.docs.page_setups import search_path, setup_of
from trenova.config import Settings
from waiting import LIMIT_S, until

MARK = "==== command"
PRELUDE = """
set -euo pipefail
exec 2>&1
background() { "$@" > "$(mktemp --suffix .log)" 2>&1 & }
trap 'kill $(jobs -p) 2> /dev/null || true; wait' EXIT
"""

COMMANDS = [block for block in ALL if block.language in TYPED]
HERE = {page: list(blocks) for page, blocks in groupby((b for b in COMMANDS if not b.note), lambda block: block.page)}


@pytest.fixture(scope="module")
def installation() -> Iterator[Dev]:
    """One for all pages, with the tenants that the pages name."""
    with dev_with() as running:
        path = running.data_dir.parent
        shutil.copytree(CHECKOUT / "examples", path / "examples")
        command = [str(BESIDE_PYTHON / "trenova"), "doctor"]
        # The worker creates its schedules last.
        until(lambda: run(command, path, TRENOVA_DATA_DIR=str(running.data_dir)).exit_code == 0)
        yield running


@pytest.mark.parametrize("page", HERE)
def test_the_commands_of_a_page_work_one_after_the_other(page: str, installation: Dev) -> None:
    setup = setup_of(page)
    replacements = {
        **setup.replacements,
        "http://127.0.0.1:8080": installation.state["api_url"],
        **setup.prepare(installation),
    }
    commands = [command for block in HERE[page] for command in block.commands]
    output = type_all([substitute(command.text, replacements) for command in commands], installation)
    answers = re.split(rf"^{MARK} \d+\n", output, flags=re.MULTILINE)[1:]
    assert len(answers) == len(commands), output
    for command, answer in zip(commands, answers, strict=True):
        missing = [line for line in expected_lines(command, replacements) if not re.search(line, answer)]
        assert missing == [], f"{command.text}\nanswers\n{answer}"


def substitute(text: str, replacements: dict[str, str]) -> str:
    for example, real in replacements.items():
        text = text.replace(example, real)
    return text


def expected_lines(command: Command, replacements: dict[str, str]) -> list[str]:
    shown = tuple(substitute(line, replacements) for line in command.shown)
    return Command(text=command.text, shown=shown).patterns


def type_all(commands: Sequence[str], installation: Dev) -> str:
    """The output of all commands, with a marker line before the output of each."""
    marked = [f"printf '\\n{MARK} {number}\\n'\n{command}" for number, command in enumerate(commands)]
    result = subprocess.run(
        ["bash", "-c", "\n".join([PRELUDE, *marked])],
        cwd=installation.data_dir.parent,
        env=environment(
            PATH=search_path(BESIDE_PYTHON),
            HOME=str(installation.data_dir.parent),
            TRENOVA_DATA_DIR=str(installation.data_dir),
            TEMPORAL_ADDRESS=installation.state["temporal_address"],
        ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


@pytest.mark.parametrize("block", [b for b in COMMANDS if b.note], ids=lambda block: f"{block.page}:{block.line}")
def test_a_block_that_is_not_typed_here_says_which_test_types_it_or_why_none_does(block: Block) -> None:
    assert block.note is not None
    if block.note.startswith(NOT_RUN):
        assert len(block.note.removeprefix(NOT_RUN).split()) > 2, block
        return
    test = (CHECKOUT / block.note.removeprefix(RUN_BY)).read_text()
    # A test reads the commands from the page, or types the same ones and names the page.
    if f'{block.page}"' not in test:
        assert block.page in test
        missing = [word for command in block.commands for word in words_of(command.text) if f'"{word}"' not in test]
        assert missing == []


def words_of(command: str) -> list[str]:
    """The subcommands and the options of a command, without its arguments."""
    words = [word for word in shlex.split(command, comments=True) if not re.match(r"[A-Z_]+=", word)][1:]
    subcommands = list(takewhile(lambda word: re.fullmatch(r"[a-z-]+", word) and word[0] != "-", words))
    return [*subcommands, *(word for word in words if re.fullmatch(r"--[a-z-]+", word))]


def test_what_the_pages_set_in_yaml_can_be_set() -> None:
    sections = {field.alias or name for name, field in Settings.model_fields.items()}
    contents = [yaml.safe_load(block.text.replace("…", "x")) for block in ALL if block.language == "yaml"]
    ours = [content for content in contents if set(content) <= sections]
    assert len(ours) > 5
    for content in ours:
        Settings.model_validate(content)
