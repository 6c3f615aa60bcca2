"""What becomes of parked entries when they are tried again. Travels through Temporal, so it never holds content."""

from msgspec import Struct


class RetryResult(Struct, frozen=True, kw_only=True):
    """Parked entries that were tried again: `tried` is the sum of the other two."""

    tried: int = 0
    stored: int = 0
    parked: int = 0
    """Refused once more."""

    def __add__(self, other: "RetryResult") -> "RetryResult":
        return RetryResult(
            tried=self.tried + other.tried, stored=self.stored + other.stored, parked=self.parked + other.parked
        )
