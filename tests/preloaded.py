"""Run programs without their slow start: as forks of a process that has already imported their modules.

A fork runs the program's `main` with the command's arguments, environment, folder and streams, and exits with its exit
code or by a signal; only Python's start is left out. Tests of that start run the installed script.
"""

import asyncio
import atexit
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

SERVER = Path(__file__).with_name("preloaded_server.py")
SCRIPT = Path(sys.executable).with_name("trenova")
OTHER = "commands"
PROGRAMS = ("api", "worker", OTHER)
POLL_S = 0.02
# Variables that affect the start of Python or of the process, which a fork skips.
STARTUP_PREFIXES = ("PYTHON", "LD_", "MALLOC_")


def is_possible(argv: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether a fork behaves like a new process with these arguments and variables."""
    own = {name for name, value in environment.items() if os.environ.get(name) != value}
    return argv[0] == str(SCRIPT) and not any(name.startswith(STARTUP_PREFIXES) for name in own)


class Command:
    """A command that runs or has exited: the part of `subprocess.Popen` that tests use."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.pid = self.read_number()
        self.exit_code: int | None = None

    @property
    def returncode(self) -> int | None:
        """The exit code, or minus the number of the signal that ended it; None while it runs."""
        if self.exit_code is None and self.has_ended(0):
            self.exit_code = self.read_number()
            self.connection.close()
        return self.exit_code

    def read_number(self) -> int:
        line = b""
        while not line.endswith(b"\n"):
            part = self.connection.recv(1)
            assert part, "the process that forks commands has exited"
            line += part
        return int(line)

    def has_ended(self, limit_s: float | None) -> bool:
        self.connection.settimeout(limit_s)
        try:
            self.connection.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, TimeoutError):
            return False
        finally:
            self.connection.settimeout(None)
        return True

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, limit_s: float | None = None) -> int:
        if self.exit_code is None and not self.has_ended(limit_s):
            raise subprocess.TimeoutExpired("trenova", limit_s or 0)
        code = self.returncode
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class AsyncCommand:
    """The part of `asyncio.subprocess.Process` that tests use."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.pid = command.pid

    @property
    def returncode(self) -> int | None:
        return self.command.returncode

    async def wait(self) -> int:
        while self.command.returncode is None:  # noqa: ASYNC110 - the answer comes from another process
            await asyncio.sleep(POLL_S)
        return self.command.returncode

    def send_signal(self, number: int) -> None:
        self.command.send_signal(number)

    def kill(self) -> None:
        self.command.kill()


@functools.cache
def start_servers() -> Path:
    """Start the forking processes, one for each of PROGRAMS; returns the folder of their sockets.

    They exit with this process.
    """
    folder = Path(tempfile.mkdtemp(prefix="trenova-test-"))
    with ExitStack() as opened:
        listeners = {name: opened.enter_context(socket.socket(socket.AF_UNIX)) for name in PROGRAMS}
        for name, listener in listeners.items():
            listener.bind(str(folder / name))
            listener.listen()
        own = ("TRENOVA_", "TEMPORAL_", "PG")
        process = subprocess.Popen(
            [
                sys.executable,
                str(SERVER),
                str(folder),
                *(f"{name}={each.fileno()}" for name, each in listeners.items()),
            ],
            stdin=subprocess.PIPE,  # closing it stops the processes
            pass_fds=[each.fileno() for each in listeners.values()],
            env={name: value for name, value in os.environ.items() if not name.startswith(own)},
            cwd="/",
        )
    atexit.register(end, process)
    return folder


def end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    process.wait()


def start(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    streams: Sequence[IO[bytes]],
) -> Command:
    """Start `trenova` with these arguments; `streams` are its standard input, output and error."""
    program = arguments[0] if arguments and arguments[0] in PROGRAMS else OTHER
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(start_servers() / program))
    request = {"arguments": list(arguments), "environment": dict(environment), "folder": str(folder)}
    data = json.dumps(request).encode() + b"\n"
    sent = socket.send_fds(connection, [data], [stream.fileno() for stream in streams])
    connection.sendall(data[sent:])
    return Command(connection)


def start_logging(arguments: Sequence[str], *, environment: Mapping[str, str], folder: Path, log: IO[bytes]) -> Command:
    """Start a server whose output goes to a file."""
    with Path(os.devnull).open("rb") as nothing:
        return start(arguments, environment=environment, folder=folder, streams=(nothing, log, log))


def run(
    arguments: Sequence[str], *, environment: Mapping[str, str], folder: Path, stdin: bytes, limit_s: float
) -> tuple[int, bytes, bytes]:
    """Run `trenova` with these arguments; returns exit code, standard output and standard error."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin)
        given.seek(0)
        command = start(arguments, environment=environment, folder=folder, streams=(given, out, err))
        try:
            code = command.wait(limit_s)
        except subprocess.TimeoutExpired:
            command.kill()
            raise
        out.seek(0)
        err.seek(0)
        return code, out.read(), err.read()
