"""What a check of the stored logs comes to. It travels through Temporal and into logs, so it never holds content."""

from datetime import datetime

from msgspec import Struct


class VerifyRequest(Struct, frozen=True, kw_only=True):
    """Which logs to check."""

    tenant: str = ""
    """Empty: all of them."""


class DamagedPlace(Struct, frozen=True, kw_only=True):
    """One place that is not as it must be. `expected` and `got` are hashes, sizes and names of columns."""

    tenant: str
    """Empty: the database itself, and no log."""
    place: str
    """`entry 7`, `entries 7–9`, `tile 3 of level 0`, `head`, `checkpoint 300`."""
    expected: str
    got: str
    next_step: str = ""

    def __str__(self) -> str:
        whose = f"{self.tenant}: " if self.tenant else ""
        return f"{whose}{self.place}: expected {self.expected}, got {self.got}"


class LedgerVerdict(Struct, frozen=True, kw_only=True):
    """What one log is worth."""

    tenant: str
    size: int
    removed: int = 0
    """Entries without a body: proved is that they were in the log."""
    checkpoints: int = 0
    """Those kept that were compared with the tree."""
    unsigned: int = 0
    """Those of them without a signature of a key that was given: of former keys, after a rotation."""
    places: list[DamagedPlace] = []


class Verification(Struct, frozen=True, kw_only=True):
    """What all logs together are worth."""

    logs: int = 0
    entries: int = 0
    removed: int = 0
    checkpoints: int = 0
    damaged: int = 0
    """Damaged places."""
    places: list[DamagedPlace] = []
    """The first of them: a message must stay small. The worker's log has them all."""
    finished_at: datetime | None = None
