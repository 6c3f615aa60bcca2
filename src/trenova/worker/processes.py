"""Several worker processes under one: Python uses one core per process, and Temporal shares the work between them."""

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
# The pause before a process is started again. It doubles each time, and starts over after STEADY_S without a failure.
FIRST_PAUSE_S, LONGEST_PAUSE_S, STEADY_S = 1.0, 30.0, 60.0
MOST_DOUBLINGS = 5
# How long after its drain a process that does not stop is killed; other workers run its tasks. systemd waits 15 s.
KILL_AFTER_DRAIN_S = 10.0
# The service manager's variables are for this process, not for its workers.
NOT_INHERITED = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}


def run(number: int, arguments: Sequence[str], settings: WorkerSettings) -> int:
    """Run `number` workers with these arguments until SIGTERM or Ctrl-C; return the exit code.

    The first worker serves its health pages on the port of `settings`, the next on the next port. A worker that ends
    unexpectedly is started again. One that fails before it ever polled stops them all, since a restart would fail, too.

    If this process is killed at any line, its workers notice, finish what they run, and stop.
    """
    command = [sys.executable, "-m", "trenova", "worker", *arguments]
    signals: list[int] = []

    def on_signal(signal_number: int, _: FrameType | None) -> None:
        signals.append(signal_number)

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, on_signal)
    places = [Place(command, worker_environ(settings.health, at)) for at in range(number)]
    manager = service_manager_of(os.environ, os.getpid())
    ready = False
    while not signals and not any(place.is_hopeless for place in places):
        for place in places:
            place.supervise(time.monotonic())
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
    return 0 if signals and not any(codes) else 1


@dataclass(slots=True)
class Place:
    """The place of one worker, whichever process fills it at the moment."""

    command: Sequence[str]
    environ: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    channel: socket.socket | None = field(default=None, repr=False)
    has_worked: bool = False
    """Temporal has seen a process of this place poll."""
    is_hopeless: bool = False
    lost: int = 0
    """How often in a row a process ended or could not be started."""
    began: float = 0.0
    due: float = 0.0

    def supervise(self, now: float) -> None:
        """Start the process when it is due; read its report; notice its end."""
        if self.process is None:
            if now >= self.due:
                self.start(now)
            return
        self.read_report()
        code = self.process.poll()
        if code is not None:
            self.handle_exit(self.process.pid, code, now)

    def start(self, now: float) -> None:
        """Start the process, or plan to: the system may be short of memory, processes or files for a while."""
        try:
            self.open()
        except OSError as error:
            self.close()
            pause = self.delay_start(now)
            log.error("a worker process cannot be started now", error=str(error), again_in_s=pause)  # noqa: TRY400 - says enough
            return
        assert self.process is not None
        self.began = now
        if self.lost:
            log.info("worker process started again", pid=self.process.pid)

    def open(self) -> None:
        """Start the process with a channel to it. Raises OSError."""
        self.channel, theirs = socket.socketpair()
        self.channel.setblocking(False)
        with theirs:
            environ = {**self.environ, VARIABLE: str(theirs.fileno())}
            # If we die here, the new process finds its channel closed, and stops.
            self.process = subprocess.Popen(self.command, env=environ, pass_fds=[theirs.fileno()])  # noqa: S603 - our own program

    def read_report(self) -> None:
        assert self.channel is not None
        with suppress(BlockingIOError, ConnectionError):
            self.has_worked = self.channel.recv(1) == STARTED or self.has_worked

    def handle_exit(self, pid: int, code: int, now: float) -> None:
        """Plan the next process, or give up: an error before the first poll will be the same next time."""
        self.read_report()
        self.close()
        if code > 0 and not self.has_worked:
            self.is_hopeless = True
            log.error("a worker process cannot start; its error is above", pid=pid, exit_code=code)
            return
        if now - self.began >= STEADY_S:
            self.lost = 0
        log.error("a worker process ended unexpectedly", pid=pid, exit_code=code, again_in_s=self.delay_start(now))

    def delay_start(self, now: float) -> float:
        """Plan the next process; return the pause before it."""
        self.lost += 1
        pause = min(FIRST_PAUSE_S * 2.0 ** min(self.lost - 1, MOST_DOUBLINGS), LONGEST_PAUSE_S)
        self.due = now + pause
        return pause

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)

    def wait(self, latest: float) -> int:
        """The exit code of the process; 0 if none is running, or if SIGTERM came before it handled signals."""
        if self.process is None:
            return 0
        try:
            code = self.process.wait(max(latest - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            log.error("a worker process does not stop and is killed", pid=self.process.pid)  # noqa: TRY400 - nothing failed here
            self.process.kill()
            code = self.process.wait()
        return 0 if code == -signal.SIGTERM else code

    def close(self) -> None:
        if self.channel is not None:
            self.channel.close()
        self.channel = self.process = None


def worker_environ(health: HealthSettings, at: int) -> dict[str, str]:
    """Our environment, with the health port for the worker at this place if health pages are on."""
    ours = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    port = {} if health.port is None else {"TRENOVA_WORKER__HEALTH__PORT": str(health.port + at)}
    return {**ours, **port}
