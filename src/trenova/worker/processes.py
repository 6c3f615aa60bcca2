"""Several worker processes under one: Python uses one core a process, Temporal shares the work between them."""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType

import structlog

log = structlog.get_logger()

LOOK_EVERY_S = 0.2


def run(number: int, arguments: Sequence[str]) -> int:
    """Run `number` workers with these arguments until SIGTERM or Ctrl-C; return the exit code.

    A worker that ends by itself ends them all, so that whoever supervises this process sees it and starts it anew.
    Killing this process alone leaves the workers running; each stops on its own SIGTERM.
    """
    workers = [subprocess.Popen([sys.executable, "-m", "trenova", "worker", *arguments]) for _ in range(number)]  # noqa: S603 - our own program
    stopping = False

    def stop(_: int, __: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, stop)
    while not stopping and all(worker.poll() is None for worker in workers):
        time.sleep(LOOK_EVERY_S)
    ended = [worker for worker in workers if worker.poll() is not None]
    if ended and not stopping:
        log.error("a worker process ended by itself", pid=ended[0].pid, exit_code=ended[0].returncode)
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    codes = [worker.wait() for worker in workers]
    return 0 if stopping and not any(codes) else 1
