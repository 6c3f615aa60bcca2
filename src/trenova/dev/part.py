"""The description of one process that `trenova dev` runs. Nothing here runs anything."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

from trenova.dev.users import User
from trenova.dev.watchdog import Watchdog

TERMINATE_LIMIT_S = 120  # longer than worker and API are given to drain
KILL_LIMIT_S = 30  # the kernel may take its time on a machine that stalls

StopSignals = tuple[tuple[Signals, float], ...]
"""Signals in the order they are sent, each with the seconds to wait for the process to end."""
TERMINATE: StopSignals = ((Signals.SIGTERM, TERMINATE_LIMIT_S), (Signals.SIGKILL, KILL_LIMIT_S))
ABORT_LIMIT_S = 10  # a process that answers nothing is unlikely to drain
ABORT: StopSignals = ((Signals.SIGTERM, ABORT_LIMIT_S), (Signals.SIGKILL, KILL_LIMIT_S))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """How to start a process, how to know that it is ready, how to stop it."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    log: Path
    record: Path
    is_ready: Callable[[int], Awaitable[bool]]
    """Called with the pid until it returns True; one call may take a few seconds, no more."""
    ready_limit_s: float | None = 180
    """Seconds to wait until it is ready. None: no limit, as long as its watchdog does not object."""
    watchdog: Callable[[], Watchdog] | None = None
    """Makes the watchdog of one run, which decides whether the running process is stuck."""
    prepare: Callable[[], Awaitable[None]] | None = None
    """Runs after the process of an earlier run has ended and before this one starts."""
    user: User | None = None
    folder: Path | None = None
    stop_signals: StopSignals = TERMINATE
    hurry_signal: Signals = Signals.SIGKILL
    """What a second Ctrl-C sends."""
    abort_signals: StopSignals = ABORT
    """For a process that is stuck."""
