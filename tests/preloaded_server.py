"""The processes behind `preloaded`: each imports the modules of its program once, and forks for each start of it.

Run as `python preloaded_server.py FOLDER PROGRAM=LISTENING_FD …`. The first process imports what all programs share,
then forks one for each but the last, which it serves itself. They exit when their standard input is closed, that is
when their parent exits. A request is a line of JSON with the arguments, the environment and the folder, together with
three descriptors: the streams of the command. The answer is two lines: the pid, and later the exit code.
"""

import atexit
import gc
import importlib
import json
import os
import random
import selectors
import shutil
import signal
import socket
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

# Slow imports of all programs. None of our modules that define metrics: a server shows the metrics of each module that
# is imported, and must not show those of another program.
SHARED = (
    "alembic.command",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "cryptography.hazmat.primitives.ciphers.aead",
    "cryptography.hazmat.primitives.kdf.hkdf",
    "httpx",
    "litestar",
    "litestar.openapi",
    "psutil",
    "psycopg_pool",
    "pydantic",
    "rich.console",
    "rich.progress",
    "rich.table",
    "sqlalchemy.ext.asyncio",
    "stamina",
    "structlog",
    "temporalio.client",
    "temporalio.worker",
    "typer.rich_utils",
    "uvicorn",
    "uvloop",
    "trenova.cli.main",
    "trenova.client",
    "trenova.codec.compose",
    "trenova.keys.signing",
    "trenova.ledger.verify",
    "trenova.runtime.installation.settings",
    "trenova.store",
)
# What each program imports when it starts, and nothing else. The commands have one process: they show no metrics.
OWN = {
    "api": ("trenova.api.server",),
    "worker": ("trenova.worker.process",),
    "commands": ("trenova.dev.supervisor", "trenova.doctor.checks", "trenova.importing"),
}
MAX_REQUEST_BYTES = 1024 * 1024


def serve(listener: socket.socket) -> dict[str, Any]:
    """Answer requests; returns in each forked process, with its request."""
    wake, woken = socket.socketpair()
    for end in (wake, woken, listener):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
    # Ctrl-C is for the tests: this process exits when they do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    running: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as selector:
        for source in (listener, wake, sys.stdin):
            selector.register(source, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if wake in ready:
                wake.recv(4096)
                report_exits(running)
            if listener in ready:
                connection, _ = listener.accept()
                request = fork(connection, running)
                if request is not None:
                    signal.set_wakeup_fd(-1)
                    for each in (listener, wake, woken):
                        each.close()
                    return request
            if sys.stdin in ready:
                shutil.rmtree(sys.argv[1], ignore_errors=True)
                os._exit(0)


def report_exits(running: dict[int, socket.socket]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        if (connection := running.pop(pid, None)) is None:
            continue  # a process that forks another program, at the end of the tests
        with connection, suppress(OSError):  # no test waits for this command
            connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def fork(connection: socket.socket, running: dict[int, socket.socket]) -> dict[str, Any] | None:
    """Fork for a request; returns None in this process and the request in the new one."""
    connection.setblocking(True)
    data, streams, *_ = socket.recv_fds(connection, MAX_REQUEST_BYTES, 3)
    while not data.endswith(b"\n"):
        data += connection.recv(MAX_REQUEST_BYTES)
    pid = os.fork()
    if pid:
        for stream in streams:
            os.close(stream)
        connection.sendall(b"%d\n" % pid)
        running[pid] = connection
        return None
    for each in (connection, *running.values()):
        each.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for stream in streams:
        if stream > 2:
            os.close(stream)
    request: dict[str, Any] = json.loads(data)
    return request


def take_over(request: dict[str, Any]) -> None:
    """Turn this fork into the requested process: signals, folder, environment, arguments."""
    os.setsid()  # Ctrl-C at the tests' terminal must not stop it before the tests end
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    random.seed()
    sys.argv = ["trenova", *request["arguments"]]
    sys.path[0] = str(Path(sys.executable).parent)  # as Python sets it for a script


def run_to_exit() -> NoReturn:
    """Run the command and exit as Python does, except that it frees nothing: that takes longer than most commands."""
    from trenova.cli.main import main as trenova  # noqa: PLC0415 - imported by then

    code: object
    try:
        trenova()
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001 - printed as Python prints it
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def main() -> None:
    for module in SHARED:
        importlib.import_module(module)
    from prometheus_client import REGISTRY  # noqa: PLC0415 - after the modules that could define metrics

    assert not [name for name in REGISTRY._names_to_collectors if name.startswith("trenova_")]
    listeners = {name: socket.socket(fileno=int(fd)) for name, fd in (word.split("=") for word in sys.argv[2:])}
    *forked, program = listeners
    for name in forked:
        if os.fork() == 0:
            program = name
            break
    for module in OWN[program]:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # a collection in a fork need not copy what is imported here
    for name in listeners.keys() - {program}:
        listeners[name].close()
    request = serve(listeners[program])
    take_over(request)
    run_to_exit()


if __name__ == "__main__":
    main()
