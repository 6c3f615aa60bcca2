"""Which keys the payloads in one place need."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUse:
    """How much in one place needs one key."""

    count: int
    until: datetime | None = None
    """When the last of it will be removed automatically, as known today; None: when someone finishes or removes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceReport:
    """The result for one kind of place with payloads, such as closed workflows."""

    name: str
    """Reads well after a number: `open workflows`."""
    uses: Mapping[str, KeyUse] = field(default_factory=dict)
    """By key id."""
    looked_at: int = 0
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Key ids of payloads that must be read and that this process cannot decrypt, with the reason."""
    unseen: str | None = None
    """What was not examined, and why; None if everything was."""
