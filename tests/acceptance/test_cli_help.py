"""What a newcomer sees first: help of every command, the version, and errors that say what to do."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import trenova as package
from acceptance.conftest import User, run
from trenova.cli.main import app


def walk_commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[Any]:
    """Every command under this one, with the words that are typed for it."""
    for name, child in getattr(command, "commands", {}).items():
        yield pytest.param((*words, name), child, id=" ".join((*words, name)))
        yield from walk_commands(child, (*words, name))


COMMANDS = list(walk_commands(get_command(app)))


def test_every_command_is_listed() -> None:
    names = {param.id for param in COMMANDS}
    assert {"dev", "api", "worker", "migrate", "import", "entries", "tail", "logs"} <= names
    assert {"api-key", "api-key create", "api-key list", "api-key revoke"} <= names


@pytest.mark.parametrize(("words", "command"), COMMANDS)
def test_a_command_explains_itself_its_options_and_shows_an_example(words: tuple[str, ...], command: Any) -> None:
    assert command.help
    assert command.help[0].isupper()
    assert all(parameter.help for parameter in command.params), [each.name for each in command.params if not each.help]
    if any(parameter.param_type_name == "argument" for parameter in command.params):
        assert f"Example: trenova {' '.join(words)} " in command.help
    for example in re.findall("Example: (.*)", f"{command.help}\n{command.epilog}"):
        assert re.match(r"([A-Z_]+=… )*trenova ", example)


@pytest.mark.parametrize(
    "words", [("--help",), ("-h",), ("import", "--help"), ("api-key", "revoke", "-h"), ("dev", "-h")]
)
def test_help_is_shown_and_fits_a_terminal(newcomer: User, words: tuple[str, ...]) -> None:
    ended = newcomer(*words)
    assert (ended.exit_code, ended.err) == (0, "")
    assert "Usage: trenova" in ended.out
    assert max(map(len, ended.lines)) <= 80


def test_the_name_alone_lists_the_commands_and_says_where_to_start(newcomer: User) -> None:
    ended = newcomer()
    for words in ("dev", "import", "entries", "tail", "api-key", "Start here: trenova dev", "Exit codes"):
        assert words in ended.out + ended.err


@pytest.mark.parametrize("group", [None, "api-key", "keys", "dead-letters", "retention", "hold"])
def test_a_list_of_commands_truncates_no_line(newcomer: User, group: str | None) -> None:
    ended = newcomer(*([group] if group else []), "--help")
    assert "Commands:" in ended.lines
    assert "..." not in ended.out.partition("Commands:")[2]


def test_the_version_is_shown(newcomer: User) -> None:
    ended = newcomer("--version")
    assert (ended.exit_code, ended.out) == (0, f"trenova {package.__version__}\n")


def test_python_can_run_it_as_a_module(newcomer: User) -> None:
    ended = run([sys.executable, "-m", "trenova", "--version"], newcomer.folder)
    assert ended.out == f"trenova {package.__version__}\n"


def test_a_mistyped_command_is_wrong_usage_and_the_right_one_is_named(newcomer: User) -> None:
    ended = newcomer("entires")
    assert ended.exit_code == 2
    assert "Did you mean 'entries'?" in ended.err


def test_migrating_without_a_database_is_one_error_and_one_hint(newcomer: User) -> None:
    error, hint = newcomer("migrate").error_and_hint()
    assert error.startswith("invalid configuration: database.url: nothing given")
    assert "TRENOVA_DATABASE__URL" in hint
    assert "make dev" in hint


def test_all_wrong_settings_are_listed_one_per_line_without_secrets(newcomer: User) -> None:
    variables = {
        "TRENOVA_API__PORT": "x",
        "TRENOVA_NO_SUCH": "1",
        "TRENOVA_DATABASE__URL": "postgresql://u:hunter2@h/d",
    }
    ended = newcomer("api", stdin=b"", **variables)
    assert ended.exit_code == 1
    first, *problems, last = ended.err.splitlines()
    assert first == "error: invalid configuration"
    assert [problem.split(":")[0].strip() for problem in problems] == ["TRENOVA_NO_SUCH", "api.port"]
    assert last.startswith("hint: ")
    assert "hunter2" not in ended.err


def test_a_missing_settings_file_is_named(newcomer: User) -> None:
    assert (
        newcomer("worker", "--config", "gone.yaml").error_and_hint()[0]
        == "invalid configuration: gone.yaml: no such file"
    )


def test_logs_of_an_absent_installation_are_one_error_and_one_hint(newcomer: User) -> None:
    error, hint = newcomer("logs").error_and_hint()
    assert "there are no logs in" in error
    assert "make dev" in hint


def test_logs_show_every_part(trenova: User) -> None:
    ended = trenova("logs", "--lines", "1000")
    assert {line.split()[0] for line in ended.lines} >= {"postgres", "api", "worker"}
    assert any("worker started" in line for line in ended.lines)


def test_a_broken_dev_json_is_an_error_that_names_it(newcomer: User) -> None:
    newcomer.data_dir.mkdir()
    (newcomer.data_dir / "dev.json").write_text('{"api_key": "hunter2"')
    ended = newcomer("entries")
    assert ended.exit_code == 1
    assert "dev.json: cannot be read" in ended.err
    assert "hunter2" not in ended.err


def test_make_help_lists_every_target_with_what_it_does(tmp_path: Path) -> None:
    repository = Path(__file__).parents[2]
    listed = run(["make", "--no-print-directory", "-C", str(repository)], tmp_path).lines
    assert {"dev", "run", "run-worker", "logs", "test", "lint", "help"} <= {line.split()[0] for line in listed}
    assert all(len(line.split()) > 1 for line in listed)
