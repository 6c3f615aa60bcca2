"""What a check finds: a verdict, and with the name of the check a finding."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    """It works, and will not for long, or not as it should."""
    FAILED = "failed"
    UNCHECKED = "not checked"
    """Nothing is known: what the check needs has failed, or was not given."""


class Kind(IntEnum):
    """Where the cause lies, in the order in which to mend; the numbers are exit codes."""

    CONFIGURATION = 10
    MACHINE = 11
    TEMPORAL = 12
    DATABASE = 13
    KEYS = 14
    WORKER = 15
    API = 16
    LOG = 17


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer: in `cause` what is wrong and why (what was seen, when nothing is), and what to do next."""

    state: State
    cause: str
    next_step: str | None = None
    blames: tuple[str, ...] = ()
    """Parts that another one says are broken. Where each is broken from here too, this is no cause of its own."""
    stands_alone: bool = False
    """Whether this is a cause of its own whatever else has failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A verdict as it is shown."""

    check: str
    kind: Kind
    state: State
    cause: str
    next_step: str | None
    blames: tuple[str, ...] = ()
    stands_alone: bool = False
    follows_from: str | None = None
    """The check that names the cause of this; None for a cause of its own."""

    @property
    def is_cause(self) -> bool:
        return self.state in {State.FAILED, State.WARNING} and self.follows_from is None

    @property
    def stops_others(self) -> bool:
        """Whether what needs this check cannot be asked."""
        return self.state in {State.FAILED, State.UNCHECKED}


def ok(seen: str) -> Verdict:
    return Verdict(State.OK, seen)


def warning(cause: str, next_step: str, *, blames: tuple[str, ...] = (), stands_alone: bool = False) -> Verdict:
    return Verdict(State.WARNING, cause, next_step, blames, stands_alone)


def failed(cause: str, next_step: str, *, blames: tuple[str, ...] = (), stands_alone: bool = False) -> Verdict:
    return Verdict(State.FAILED, cause, next_step, blames, stands_alone)


def unchecked(cause: str) -> Verdict:
    return Verdict(State.UNCHECKED, cause)
