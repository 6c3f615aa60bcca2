"""The keys a program holds: many decrypt, one encrypts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from trenova.keys.key import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """Keys by id, and the id of the one that encrypts, which is among them. `loading.load_keyring` makes it."""

    keys: Mapping[str, Key] = field(default_factory=lambda: MappingProxyType({}))
    encrypting_id: str | None = None
    """None while encryption is off."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys, sorted."""
        return tuple(sorted(self.keys))
