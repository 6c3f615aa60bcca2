"""The result of verifying the stored ledgers. It travels through Temporal and into logs, so it never holds content."""

from datetime import datetime

from msgspec import Struct


class VerifyRequest(Struct, frozen=True, kw_only=True):
    """Which ledgers to verify."""

    tenant: str = ""
    """Empty: all of them."""


class DamagedPlace(Struct, frozen=True, kw_only=True):
    """One damaged place. `expected` and `got` are hashes, sizes and names of columns."""

    tenant: str
    """Empty if the damage is in the database itself and not in a ledger."""
    place: str
    """`entry 7`, `entries 7–9`, `tile 3 of level 0`, `head`, `checkpoint 300`."""
    expected: str
    got: str
    next_step: str = ""

    def __str__(self) -> str:
        whose = f"{self.tenant}: " if self.tenant else ""
        return f"{whose}{self.place}: expected {self.expected}, got {self.got}"


class LedgerVerdict(Struct, frozen=True, kw_only=True):
    """The verdict on one ledger."""

    tenant: str
    size: int
    removed: int = 0
    """Entries without a body: it is proved that they were in the ledger."""
    checkpoints: int = 0
    """Stored checkpoints that were compared with the tree."""
    unsigned: int = 0
    """Those without a signature of a given key: signed with former keys before a rotation."""
    places: list[DamagedPlace] = []


class Verification(Struct, frozen=True, kw_only=True):
    """The verdict on all ledgers together."""

    logs: int = 0
    entries: int = 0
    removed: int = 0
    checkpoints: int = 0
    damaged: int = 0
    """The number of damaged places."""
    places: list[DamagedPlace] = []
    """The first of them: a message must stay small. The worker logs all of them."""
    finished_at: datetime | None = None
