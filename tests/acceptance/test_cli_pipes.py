"""What a command does when its reader leaves, as in `trenova entries | head`, and when the disk is full."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from acceptance.conftest import BESIDE_PYTHON, User, environment, run
from acceptance.test_cli_help import COMMANDS
from trenova.dev import ports
from waiting import LIMIT_S, until

READER_LEFT = 141
# Runs every command, one after the other, in a fork of one process, with a standard output without a reader. Slow
# imports are done once.
WALK = """
import os, sys
import typer.rich_utils
from trenova.cli.command_table import COMMANDS, load_command
from trenova.cli.main import main
for name in COMMANDS:
    load_command(name)
for line in sys.stdin.read().splitlines():
    reading, writing = os.pipe()
    os.close(reading)
    if os.fork() == 0:
        os.dup2(writing, 1)
        sys.argv = ["trenova", *line.split()]
        main()
    os.close(writing)
    print(os.waitstatus_to_exitcode(os.wait()[1]), line, flush=True)
"""
# The same with files for the output of each, reported as JSON.
WALK_WITH_ERRORS = """
import json, os, pathlib, shlex, sys
import trenova.client, trenova.doctor.context, trenova.keys.signing, trenova.runtime.event_loop, trenova.store.migrate
from trenova.cli.command_table import COMMANDS, load_command
from trenova.cli.main import main
for name in COMMANDS:
    load_command(name)
for line in sys.stdin.read().splitlines():
    if os.fork() == 0:
        for number, name in (1, "out"), (2, "err"):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.argv = ["trenova", *shlex.split(line)]
        main()
    code = os.waitstatus_to_exitcode(os.wait()[1])
    output = {name: pathlib.Path(name).read_text() for name in ("out", "err")}
    print(json.dumps({"words": line, "exit_code": code, **output}), flush=True)
"""


def test_the_help_of_every_command_ends_quietly_without_a_reader(newcomer: User) -> None:
    words = [" ".join((*parameter.values[0], "--help")) for parameter in COMMANDS]
    ended = run([sys.executable, "-c", WALK], newcomer.folder, "\n".join(["--version", *words]).encode())
    assert (ended.exit_code, ended.err) == (0, "")
    assert ended.lines == [f"{READER_LEFT} {line}" for line in ["--version", *words]]


def run_without_reader(user: User, *words: str, unbuffered: bool = False) -> tuple[int, str]:
    """Exit code and standard error of a command whose standard output has no reader."""
    reading, writing = os.pipe()
    os.close(reading)
    variables = {"TRENOVA_DATA_DIR": str(user.data_dir), **({"PYTHONUNBUFFERED": "1"} if unbuffered else {})}
    with os.fdopen(writing, "wb") as output:
        ended = subprocess.run(
            [str(BESIDE_PYTHON / "trenova"), *words],
            cwd=user.folder,
            env=environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            timeout=LIMIT_S,
            check=False,
        )
    return ended.returncode, ended.stderr.decode()


@pytest.mark.parametrize(
    "words",
    [
        ("entries", "--all"),
        ("entries", "--all", "--json"),
        ("tail", "--from-start"),
        ("logs",),
        ("logs", "--follow", "--lines", "0"),
        ("api-key", "list"),
        ("keys", "public"),
        ("verify", "--live", "--tenant", "_trenova"),
        ("doctor",),
        ("retention", "show"),
        ("hold", "list"),
        ("reconcile", "--json"),
    ],
    ids=" ".join,
)
def test_a_command_that_prints_ends_quietly_without_a_reader(trenova: User, words: tuple[str, ...]) -> None:
    if words[0] in {"entries", "tail"}:
        trenova.add({})
    assert run_without_reader(trenova, *words) == (READER_LEFT, "")


def test_a_command_that_follows_notices_that_its_reader_left_while_there_is_no_output(trenova: User) -> None:
    assert run_without_reader(trenova, "tail", "--tenant", trenova.tenant) == (READER_LEFT, "")


def test_an_unbuffered_command_ends_quietly_without_a_reader(trenova: User) -> None:
    assert run_without_reader(trenova, "keys", "public", unbuffered=True) == (READER_LEFT, "")


def test_a_full_disk_is_one_error(trenova: User) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [str(BESIDE_PYTHON / "trenova"), "keys", "public"],
            env=environment(TRENOVA_DATA_DIR=str(trenova.data_dir)),
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=LIMIT_S,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr.decode() == "error: standard output cannot be written: No space left on device\n"


@pytest.mark.parametrize("words", [("tail",), ("tail", "--json"), ("logs", "--follow")], ids=" ".join)
def test_ctrl_c_ends_a_command_that_follows_without_output(trenova: User, words: tuple[str, ...]) -> None:
    trenova.add({"action": "first.seen"})
    tenant = [] if words[0] == "logs" else ["--from-start", "--tenant", trenova.tenant]
    process = trenova.start(*words, *tenant)
    assert process.stdout is not None
    assert process.stdout.readline()  # it follows
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=LIMIT_S)
    assert (process.returncode in {0, 130}, err.decode()) == (True, "")


def test_a_server_whose_log_has_no_reader_continues_to_serve(trenova: User) -> None:
    """A lost log collector must not stop a server."""
    port = ports.choose()
    server = trenova.start("api", TRENOVA_API__PORT=str(port))
    assert server.stderr is not None
    server.stderr.close()
    assert server.stdout is not None
    server.stdout.close()
    try:
        until(lambda: server.poll() is not None or answers(port))
        assert server.poll() is None
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(LIMIT_S) == 0


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/livez", timeout=LIMIT_S, trust_env=False, verify=False).is_success
    except httpx.TransportError:
        return False
