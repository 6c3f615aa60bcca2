"""Why a record cannot become an entry."""

from trenova.errors import TrenovaError


class MapError(TrenovaError):
    """The record lacks what an entry needs, or holds what cannot be stored. Says what was expected and found."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
