"""What the operating system reports about a process that does not answer: alive, suspended, or making progress."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import psutil

# Stopped by a signal, held by a debugger or tracer, or inside an uninterruptible system call. A restart helps none of
# these: whoever stopped the process wants it stopped, and a hanging disk keeps it whatever signal is sent.
SUSPENDED = frozenset({psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP, psutil.STATUS_DISK_SLEEP})
# Less processor time than this between two checks is housekeeping.
LEAST_CPU_S = 0.02

Key = tuple[int, float]
"""Identifies a process for its whole life: pid and start time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessState:
    """One process at one moment. `title` is its command line; `io`: I/O calls and bytes, empty where hidden."""

    pid: int
    title: str
    status: str
    cpu_s: float
    io: tuple[int, ...]

    @property
    def is_suspended(self) -> bool:
        return self.status in SUSPENDED

    def progressed_since(self, before: "ProcessState") -> bool:
        """Waiting for a processor counts as progress: on a busy machine that may take long."""
        is_running = self.status == psutil.STATUS_RUNNING
        return is_running or self.cpu_s - before.cpu_s >= LEAST_CPU_S or self.io != before.io


def states_of(pids: Iterable[int]) -> dict[Key, ProcessState]:
    """The states of those that are alive. A zombie has ended, so it does not count."""
    states = {}
    for pid in pids:
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            state = read_state(process)
            if state.status not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}:
                states[pid, process.create_time()] = state
    return states


def read_state(process: psutil.Process) -> ProcessState:
    with process.oneshot():
        times = process.cpu_times()
        return ProcessState(
            pid=process.pid,
            title=title(process),
            status=process.status(),
            cpu_s=times.user + times.system,
            io=io_counters(process),
        )


def title(process: psutil.Process) -> str:
    with suppress(psutil.AccessDenied, psutil.ZombieProcess):
        return " ".join(process.cmdline()).strip() or process.name()
    return process.name()


def io_counters(process: psutil.Process) -> tuple[int, ...]:
    """Empty on systems without such counters, and where this user may not read them."""
    with suppress(psutil.AccessDenied, AttributeError, OSError):
        return tuple(process.io_counters())
    return ()


def children(pid: int) -> list[int]:
    with suppress(psutil.Error):
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    return []


def is_suspended(pid: int) -> bool:
    return any(state.is_suspended for state in states_of([pid]).values())
