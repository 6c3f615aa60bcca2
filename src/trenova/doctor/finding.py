"""What a check returns: a verdict, which becomes a finding together with the name of the check."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    """It works, but not as it should, or not for long."""
    FAILED = "failed"
    UNCHECKED = "not checked"
    """Nothing is known: a check that this one needs has failed, or a setting is missing."""


class Kind(IntEnum):
    """Where the cause lies, in the order in which to fix things; the numbers are exit codes."""

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
    """The answer of a check. `cause` says what is wrong and why, or, if nothing is wrong, what was seen."""

    state: State
    cause: str
    next_step: str | None = None
    blames: tuple[str, ...] = ()
    """Parts that another part reports as broken. If each is broken from here too, this finding follows from those."""
    stands_alone: bool = False
    """Whether this is an independent cause, whatever else has failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A verdict with the name and kind of its check."""

    check: str
    kind: Kind
    state: State
    cause: str
    next_step: str | None
    blames: tuple[str, ...] = ()
    stands_alone: bool = False
    follows_from: str | None = None
    """The check that names the cause of this finding; None for an independent cause."""

    @property
    def is_cause(self) -> bool:
        return self.state in {State.FAILED, State.WARNING} and self.follows_from is None

    @property
    def stops_others(self) -> bool:
        """Whether checks that need this one cannot run."""
        return self.state in {State.FAILED, State.UNCHECKED}


def ok(observation: str) -> Verdict:
    return Verdict(State.OK, observation)


def warning(cause: str, next_step: str, *, blames: tuple[str, ...] = (), stands_alone: bool = False) -> Verdict:
    return Verdict(State.WARNING, cause, next_step, blames, stands_alone)


def failure(cause: str, next_step: str, *, blames: tuple[str, ...] = (), stands_alone: bool = False) -> Verdict:
    return Verdict(State.FAILED, cause, next_step, blames, stands_alone)


def not_checked(cause: str) -> Verdict:
    return Verdict(State.UNCHECKED, cause)
