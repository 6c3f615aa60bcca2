"""The result of comparing closed runs with the stored batches. It travels through Temporal, so it holds no content."""

from datetime import datetime

from msgspec import Struct


class ReconciliationResult(Struct, frozen=True, kw_only=True):
    """What was compared, and what became of missing batches."""

    runs: int = 0
    """Closed runs that were compared."""
    batches: int = 0
    """Batches that were missing and are now stored or parked."""
    stored: int = 0
    """Stored entries of these batches."""
    parked: int = 0
    """Parked entries of these batches."""
    missing: int = 0
    """Batches that are missing and cannot be stored at present."""
    foreign: int = 0
    """Unreadable runs whose ids do not come from the API, so that no client has an acknowledgement for them."""
    finished_at: datetime | None = None
