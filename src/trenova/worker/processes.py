"""Several worker processes under one: Python uses one core a process, Temporal shares the work between them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType

import structlog

from trenova.config import Health
from trenova.service_manager import ALIVE, STOPPING, service_manager_of

log = structlog.get_logger()

LOOK_EVERY_S = 0.2


def run(number: int, arguments: Sequence[str], health: Health) -> int:
    """Run `number` workers with these arguments until SIGTERM or Ctrl-C; return the exit code.

    The first serves its health on the port of `health`, the next on the next one.

    A worker that ends by itself ends them all, so that whoever supervises this process sees it and starts it anew.
    Killing this process alone leaves the workers running; each stops on its own SIGTERM.
    """
    command = [sys.executable, "-m", "trenova", "worker", *arguments]
    workers = [subprocess.Popen(command, env=environment(health, at)) for at in range(number)]  # noqa: S603 - our own program
    manager = service_manager_of(os.environ, os.getpid())
    stopping = False

    def stop(_: int, __: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, stop)
    while not stopping and all(worker.poll() is None for worker in workers):
        if manager.patience_s is not None:
            manager.tell(ALIVE)
        time.sleep(LOOK_EVERY_S)
    ended = [worker for worker in workers if worker.poll() is not None]
    if ended and not stopping:
        log.error("a worker process ended by itself", pid=ended[0].pid, exit_code=ended[0].returncode)
    manager.tell(STOPPING)
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    codes = [worker.wait() for worker in workers]
    return 0 if stopping and not any(codes) else 1


def environment(health: Health, at: int) -> dict[str, str]:
    """Ours, with a health port of its own for the worker at this place, if there are to be any."""
    port = {} if health.port is None else {"TRENOVA_WORKER__HEALTH__PORT": str(health.port + at)}
    return {**os.environ, **port}
