"""What a comparison of closed runs with the stored batches comes to. Travels through Temporal: no content."""

from datetime import datetime

from msgspec import Struct


class ReconciliationResult(Struct, frozen=True, kw_only=True):
    """What was looked at, and what became of batches that were missing."""

    runs: int = 0
    """Closed runs that were compared."""
    batches: int = 0
    """Batches that were missing and are stored or parked now."""
    stored: int = 0
    parked: int = 0
    """Entries of them."""
    missing: int = 0
    """Batches that are missing and cannot be stored for now."""
    foreign: int = 0
    """Runs that cannot be read and whose ids are none that the API gives: nobody was told that they are accepted."""
    finished_at: datetime | None = None
