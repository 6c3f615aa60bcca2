"""What the system tells of a process that does not answer: whether it lives, is held by somebody, gets anywhere."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import psutil

# Stopped by a signal, held by a debugger or tracer, or inside a call of the kernel that nothing can end. A restart
# helps none of them: whoever stopped it wants it stopped, and a disk that hangs keeps it whatever it is sent.
HELD = frozenset({psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP, psutil.STATUS_DISK_SLEEP})
# Less processor time than this between two looks is housekeeping.
LEAST_CPU_S = 0.02

Key = tuple[int, float]
"""A process for as long as it lives: its id and when it was started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vital:
    """One process at one moment. `title` is how it calls itself; `io`: calls and bytes, empty where hidden."""

    pid: int
    title: str
    status: str
    cpu_s: float
    io: tuple[int, ...]

    @property
    def is_held(self) -> bool:
        return self.status in HELD

    def works_since(self, before: "Vital") -> bool:
        """A process that waits for a processor works as well: on a busy machine that may take long."""
        is_running = self.status == psutil.STATUS_RUNNING
        return is_running or self.cpu_s - before.cpu_s >= LEAST_CPU_S or self.io != before.io


def of(pids: Iterable[int]) -> dict[Key, Vital]:
    """Those that live; a zombie has ended and waits to be told of, so it does not count."""
    found = {}
    for pid in pids:
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            vital = look_at(process)
            if vital.status not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}:
                found[pid, process.create_time()] = vital
    return found


def look_at(process: psutil.Process) -> Vital:
    with process.oneshot():
        times = process.cpu_times()
        return Vital(
            pid=process.pid,
            title=title(process),
            status=process.status(),
            cpu_s=times.user + times.system,
            io=io_of(process),
        )


def title(process: psutil.Process) -> str:
    with suppress(psutil.AccessDenied, psutil.ZombieProcess):
        return " ".join(process.cmdline()).strip() or process.name()
    return process.name()


def io_of(process: psutil.Process) -> tuple[int, ...]:
    """Not every system has them, and not everybody may read them."""
    with suppress(psutil.AccessDenied, AttributeError, OSError):
        return tuple(process.io_counters())
    return ()


def children(pid: int) -> list[int]:
    with suppress(psutil.Error):
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    return []


def is_held(pid: int) -> bool:
    return any(vital.is_held for vital in of([pid]).values())
