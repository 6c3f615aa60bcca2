"""What one place holds under which keys."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUse:
    """Under one key."""

    count: int
    until: datetime | None = None
    """When the last of it goes by itself, as far as can be told today; None: when somebody is done with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceReport:
    """One place that was looked at, or was not."""

    name: str
    """With a number before it: `open workflows`."""
    held: Mapping[str, KeyUse] = field(default_factory=dict)
    """By key id."""
    looked_at: int = 0
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Key ids under which it holds what must be read and what the keys here do not open, with the reason."""
    unseen: str | None = None
    """What of it was not seen, and why; None when all was."""
