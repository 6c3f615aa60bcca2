"""What one process of `trenova dev` is: a description, and nothing that runs."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

from trenova.dev.users import User
from trenova.dev.watch import Watch

TERMINATE_LIMIT_S = 120  # longer than worker and API are given to drain
KILL_LIMIT_S = 30  # the kernel may take its time on a machine that stalls

StopSignals = tuple[tuple[Signals, float], ...]
"""Signals in the order they are tried, each with the seconds it is given."""
TERMINATE: StopSignals = ((Signals.SIGTERM, TERMINATE_LIMIT_S), (Signals.SIGKILL, KILL_LIMIT_S))
ABORT_LIMIT_S = 10  # what answers nothing will hardly drain
ABORT: StopSignals = ((Signals.SIGTERM, ABORT_LIMIT_S), (Signals.SIGKILL, KILL_LIMIT_S))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """How to start a process, how to know that it is ready, how to stop it."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    log: Path
    record: Path
    ready: Callable[[int], Awaitable[bool]]
    """Asked again and again with the pid until it is true; an answer may take a few seconds, no more."""
    ready_limit_s: float | None = 180
    """None: however long it takes, as long as its watch has nothing against it."""
    watch: Callable[[], Watch] | None = None
    """Makes what judges one run: whether the process, which lives, is still of any use."""
    before: Callable[[], Awaitable[None]] | None = None
    """What to put right after an earlier run has ended and before this one starts."""
    user: User | None = None
    folder: Path | None = None
    stop_signals: StopSignals = TERMINATE
    hurry_signal: Signals = Signals.SIGKILL
    """What a second Ctrl-C sends."""
    abort_signals: StopSignals = ABORT
    """For a process that is of no use any more."""
