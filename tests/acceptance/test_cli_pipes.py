"""What a command does when its reader leaves, as in `trenova entries | head`, and when the disk is full."""

import os
import signal
import subprocess
from pathlib import Path
from tempfile import TemporaryFile

import httpx
import pytest

import preloaded
from acceptance.conftest import BESIDE_PYTHON, User, environment
from acceptance.test_cli_help import COMMANDS
from trenova.dev import ports
from waiting import LIMIT_S, until

READER_LEFT = 141


def test_the_help_of_every_command_ends_quietly_without_a_reader(newcomer: User) -> None:
    for words in (("--version",), *((*parameter.values[0], "--help") for parameter in COMMANDS)):
        assert run_fork_without_reader(newcomer, *words) == (READER_LEFT, ""), words


def run_fork_without_reader(user: User, *words: str) -> tuple[int, str]:
    """Exit code and standard error, in a fork that starts fast."""
    reading, writing = os.pipe()
    os.close(reading)
    with Path(os.devnull).open("rb") as nothing, os.fdopen(writing, "wb") as output, TemporaryFile() as err:
        streams = (nothing, output, err)
        code = preloaded.start(words, environment=environment(), folder=user.folder, streams=streams).wait(LIMIT_S)
        err.seek(0)
        return code, err.read().decode()


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
