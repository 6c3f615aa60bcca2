"""`--json` has the same form in all commands: one object per line, including errors, as in docs/command-line.md."""

import json
import shlex
from typing import Any

import pytest

from acceptance.conftest import User
from acceptance.test_cli_help import COMMANDS

# The log format of servers is a setting; `logs` prints lines of other programs, and `export` always prints JSON.
WITHOUT = {"dev", "api", "worker", "witness", "logs", "dead-letters export"}
# The arguments with which each command gets as far as reading its settings, which are invalid.
ARGUMENTS = {
    "import": "none.ndjson",
    "evidence": "--tenant acme -o acme.evidence",
    "verify": "--live",
    "reconcile": "",
    "api-key create": "--role reader --any-tenant",
    "api-key revoke": "3f9a0c1d2e4b",
    "dead-letters show": "019a8c3e-5a7b-7c21-9d3e-0f1a2b3c4d5e",
    "dead-letters edit": "019a8c3e-5a7b-7c21-9d3e-0f1a2b3c4d5e",
    "dead-letters replay": "--all",
    "retention set": "--default --days 7",
    "retention unset": "--default",
    "hold place": "--all-tenants --name n --reason r",
    "hold release": "3f9a0c1d-2e4b-4c5d-8e6f-7a8b9c0d1e2f --reason r",
    "keys generate": "--signing",
}
# These report invalid settings as a finding, not as an error.
FINDINGS = {"doctor", "preflight"}


def leaves() -> list[tuple[str, Any]]:
    found = [(" ".join(parameter.values[0]), parameter.values[1]) for parameter in COMMANDS]
    return [(words, command) for words, command in found if not getattr(command, "commands", None)]


def test_every_command_that_is_not_a_server_has_the_flag_with_the_same_help() -> None:
    flags = {words: [each.help for each in command.params if "--json" in each.opts] for words, command in leaves()}
    assert {words for words, helps in flags.items() if not helps} == WITHOUT
    assert len({text for helps in flags.values() for text in helps}) == 1


def test_an_error_of_every_command_is_one_object_on_standard_error(newcomer: User) -> None:
    words = [words for words, _ in leaves() if words not in WITHOUT | FINDINGS]
    (newcomer.folder / ".trenova").mkdir()
    (newcomer.folder / ".trenova" / "dev.json").write_text("{")
    for each in words:
        ended = newcomer(*each.split(), "--json", *shlex.split(ARGUMENTS.get(each, "")), TRENOVA_API__PORT="x")
        assert ended.out == "", (each, ended)
        *_, last = ended.err.splitlines()
        error = json.loads(last)
        assert error.keys() == {"error", "problems", "hint", "exit_code"}, (each, ended)
        # A verification that could not run has no verdict.
        code = 2 if each == "verify" else 1
        assert (error["exit_code"], ended.exit_code) == (code, code), (each, ended)
        assert "invalid configuration: " in error["error"], (each, ended)
        assert error["problems"], (each, ended)


def test_wrong_usage_has_the_same_form(newcomer: User) -> None:
    ended = newcomer("api-key", "create", "--json")
    assert (ended.exit_code, ended.out) == (2, "")
    error = json.loads(ended.err)
    assert (error["exit_code"], error["problems"], error["hint"]) == (2, [], None)
    assert "--role" in error["error"]


@pytest.mark.parametrize("words", ["api-key list", "dead-letters list", "hold list", "retention show", "keys check"])
def test_results_are_one_object_per_line(trenova: User, words: str) -> None:
    ended = trenova(*words.split(), "--json")
    assert (ended.exit_code, ended.err) == (0, "")
    assert all(isinstance(each, dict) for each in ended.objects)
    assert all(name == name.lower() and "-" not in name for each in ended.objects for name in each)
