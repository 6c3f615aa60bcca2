"""Which faults come in which order. A seed decides everything that is random, before the run begins."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "kill", "deploy", "pause", "cut", "slow", "hang", "backend", "recovery", "terminate", "storage", "outage"
]
PARTS = ("api", "worker", "temporal", "postgres")
LINKS = ("client-api", "api-temporal", "worker-temporal", "api-postgres", "worker-postgres")
# The errors that PostgreSQL gets when it writes or flushes; see `syscalls`.
STORAGE = ("fdatasync:EIO", "fsync:EIO", "pwrite64:ENOSPC", "pwrite64:EIO", "pwritev:ENOSPC")
ALL = "+".join(PARTS)

# Every (kind, target) once: a deck. Parts that die together are joined by a plus.
DECK: tuple[tuple[Kind, str], ...] = (
    *(("kill", part) for part in PARTS),
    ("kill", "api+temporal"),
    ("kill", "worker+postgres"),
    ("kill", "temporal+postgres"),
    ("kill", ALL),
    ("deploy", "api"),
    ("deploy", "worker"),
    *(("pause", part) for part in PARTS),
    *(("cut", link) for link in LINKS),
    *(("slow", link) for link in LINKS),
    *(("hang", link) for link in LINKS),
    ("backend", "postgres"),
    ("recovery", "postgres"),
    ("terminate", "postgres"),
)
STORAGE_DECK: tuple[tuple[Kind, str], ...] = tuple(("storage", target) for target in STORAGE)
# The worst of each kind, for a run of a minute.
SHORT_DECK: tuple[tuple[Kind, str], ...] = (
    *(("kill", part) for part in PARTS),
    ("kill", ALL),
    ("deploy", "api"),
    ("deploy", "worker"),
    ("pause", "worker"),
    ("cut", "worker-postgres"),
    ("hang", "api-temporal"),
    ("backend", "postgres"),
    ("recovery", "postgres"),
)

SHORTEST_HOLD_S, LONGEST_HOLD_S = 0.2, 6.0
# Long enough that Temporal gives a paused worker's task to itself again, once it is back.
LONG_HOLD_S = 14.0
LONG_HOLD_SHARE = 0.08
IMPATIENT_SHARE = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. `hold_s`: how long a part stays dead, stopped or disturbed before it is restored.

    `at` says when it strikes: a share, from 0 to 1, of the time between it and the fault before. `impatient`: it does
    not wait until the run has recovered from the fault before.
    """

    number: int
    kind: Kind
    target: str
    hold_s: float
    at: float
    impatient: bool
    choice: int
    """A large random number for other choices, such as which of several processes."""
    least: int = 0
    """For an outage: this many entries must be accepted before it ends."""

    @property
    def name(self) -> str:
        return f"{self.kind} {self.target}"


def faults(seed: int, count: int, deck: Sequence[tuple[Kind, str]]) -> tuple[Fault, ...]:
    """The schedule: shuffled decks, one after the other, so that no kind is left out for long."""
    chance = random.Random(seed)
    drawn: list[tuple[Kind, str]] = []
    while len(drawn) < count:
        drawn += chance.sample(deck, len(deck))
    return tuple(
        Fault(
            number=number,
            kind=kind,
            target=target,
            hold_s=hold(chance),
            at=chance.random(),
            impatient=chance.random() < IMPATIENT_SHARE,
            choice=chance.getrandbits(32),
        )
        for number, (kind, target) in enumerate(drawn[:count], start=1)
    )


def outage(hold_s: float, *, least: int = 1) -> Fault:
    """PostgreSQL is shut down, in good order, for `hold_s` and until so many entries have been accepted without it."""
    return Fault(
        number=1, kind="outage", target="postgres", hold_s=hold_s, at=0, impatient=False, choice=0, least=least
    )


def hold(chance: random.Random) -> float:
    """Mostly short: many faults in little time find more than a few long ones."""
    if chance.random() < LONG_HOLD_SHARE:
        return LONG_HOLD_S
    return SHORTEST_HOLD_S + (LONGEST_HOLD_S - SHORTEST_HOLD_S) * chance.random() ** 3
