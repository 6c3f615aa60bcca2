"""Several worker processes under one: Python uses one core a process, Temporal shares the work between them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType

import structlog

from trenova.config import HealthSettings, WorkerSettings
from trenova.runtime.systemd import ALIVE, READY, STOPPING, service_manager_of
from trenova.worker.parent import STARTED, VARIABLE

log = structlog.get_logger()

CHECK_EVERY_S = 0.2
# Before a process is started again. It doubles each time, and begins anew for one that had worked for STEADY_S.
FIRST_PAUSE_S, LONGEST_PAUSE_S, STEADY_S = 1.0, 30.0, 60.0
MOST_DOUBLINGS = 5
# Beyond its drain, before a process that does not end is killed: what it runs is done elsewhere. A manager waits 15 s.
KILL_AFTER_DRAIN_S = 10.0
# What the service manager told this process is not for those below it.
NOT_INHERITED = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}


def run(number: int, arguments: Sequence[str], settings: WorkerSettings) -> int:
    """Run `number` workers with these arguments until SIGTERM or Ctrl-C; return the exit code.

    The first serves its health on the port of `settings`, the next on the next one. A worker that ends by itself is
    started again. One that ends with an error before it ever worked ends them all: what it lacks, no restart brings.

    Killed here, at any line, this process leaves workers that see it gone, finish what they run, and end.
    """
    command = [sys.executable, "-m", "trenova", "worker", *arguments]
    asked: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        asked.append(number)

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, stop)
    places = [Place(command, worker_environ(settings.health, at)) for at in range(number)]
    manager = service_manager_of(os.environ, os.getpid())
    ready = False
    while not asked and not any(place.is_hopeless for place in places):
        for place in places:
            place.attend(time.monotonic())
        if not ready and all(place.has_worked for place in places):
            ready = True
            manager.notify(READY)
        if manager.watchdog_s is not None:
            manager.notify(ALIVE)
        time.sleep(CHECK_EVERY_S)
    manager.notify(STOPPING)
    for place in places:
        place.stop()
    latest = time.monotonic() + settings.drain_seconds + KILL_AFTER_DRAIN_S
    codes = [place.wait(latest) for place in places]
    return 0 if asked and not any(codes) else 1


@dataclass(slots=True)
class Place:
    """One of the workers, whichever process it is."""

    command: Sequence[str]
    environ: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    line: socket.socket | None = field(default=None, repr=False)
    has_worked: bool = False
    """Temporal has seen a process of this place poll."""
    is_hopeless: bool = False
    lost: int = 0
    """How often in a row a process ended, or could not be started."""
    began: float = 0.0
    due: float = 0.0

    def attend(self, now: float) -> None:
        """Start the process when it is due, and notice what it tells, and its end."""
        if self.process is None:
            if now >= self.due:
                self.start(now)
            return
        self.listen()
        code = self.process.poll()
        if code is not None:
            self.lose(self.process.pid, code, now)

    def start(self, now: float) -> None:
        """Start the process, or plan to: a system short of memory, processes or files refuses, for a while."""
        try:
            self.open()
        except OSError as error:
            self.close()
            pause = self.put_off(now)
            log.error("a worker process cannot be started now", error=str(error), again_in_s=pause)  # noqa: TRY400 - its words say all
            return
        assert self.process is not None
        self.began = now
        if self.lost:
            log.info("worker process started again", pid=self.process.pid)

    def open(self) -> None:
        """The process, and the line to it. Raises OSError."""
        self.line, theirs = socket.socketpair()
        self.line.setblocking(False)
        with theirs:
            environ = {**self.environ, VARIABLE: str(theirs.fileno())}
            # Dying here: the new process finds its line closed when it looks, and ends.
            self.process = subprocess.Popen(self.command, env=environ, pass_fds=[theirs.fileno()])  # noqa: S603 - our own program

    def listen(self) -> None:
        assert self.line is not None
        with suppress(BlockingIOError, ConnectionError):
            self.has_worked = self.line.recv(1) == STARTED or self.has_worked

    def lose(self, pid: int, code: int, now: float) -> None:
        """Plan the next process, or give up: an error before any work will be the same next time."""
        self.listen()
        self.close()
        if code > 0 and not self.has_worked:
            self.is_hopeless = True
            log.error("a worker process cannot start; its error stands above", pid=pid, exit_code=code)
            return
        if now - self.began >= STEADY_S:
            self.lost = 0
        log.error("a worker process ended by itself", pid=pid, exit_code=code, again_in_s=self.put_off(now))

    def put_off(self, now: float) -> float:
        """Plan the next process; gives the pause before it."""
        self.lost += 1
        pause = min(FIRST_PAUSE_S * 2.0 ** min(self.lost - 1, MOST_DOUBLINGS), LONGEST_PAUSE_S)
        self.due = now + pause
        return pause

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)

    def wait(self, latest: float) -> int:
        """The exit code, once it has ended; 0 where no process runs, or SIGTERM came before it could answer to it."""
        if self.process is None:
            return 0
        try:
            code = self.process.wait(max(latest - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            log.error("a worker process does not end, and is killed", pid=self.process.pid)  # noqa: TRY400 - nothing failed here
            self.process.kill()
            code = self.process.wait()
        return 0 if code == -signal.SIGTERM else code

    def close(self) -> None:
        if self.line is not None:
            self.line.close()
        self.line = self.process = None


def worker_environ(health: HealthSettings, at: int) -> dict[str, str]:
    """Ours, with a health port of its own for the worker at this place, if there are to be any."""
    ours = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    port = {} if health.port is None else {"TRENOVA_WORKER__HEALTH__PORT": str(health.port + at)}
    return {**ours, **port}
