"""What retention removes, and the names in the entries that record it. None of these values holds content."""

from datetime import datetime

from msgspec import Struct

from trenova.domain.entry import Party
from trenova.domain.reserved import SYSTEM_TENANT

ALL_TENANTS = "*"
# The actor of scheduled removals.
REMOVER = Party(type="system", id="trenova-retention")
# The target type of these entries.
LEDGER_TYPE = "log"


class RetentionRequest(Struct, frozen=True, kw_only=True):
    """Which ledgers to go through."""

    tenant: str = ""
    """Empty: all of them."""


class Removal(Struct, frozen=True, kw_only=True):
    """What one step through a ledger (one transaction) removed, or would remove."""

    tenant: str
    entries: int = 0
    bytes: int = 0
    """Of their bodies."""
    held: int = 0
    """Entries in this step that are old enough but under a legal hold."""
    next_index: int
    """Where the next step begins."""
    more: bool
    """Whether there is a next step."""


class RetentionResult(Struct, frozen=True, kw_only=True):
    """What a whole run removed."""

    logs: int = 0
    """Ledgers with a policy that were gone through."""
    entries: int = 0
    bytes: int = 0
    finished_at: datetime | None = None

    def plus(self, removal: Removal) -> "RetentionResult":
        return RetentionResult(
            logs=self.logs + (not removal.more),
            entries=self.entries + removal.entries,
            bytes=self.bytes + removal.bytes,
        )


def recording_tenant(tenant: str) -> str:
    """The tenant whose ledger records a change for `tenant`, which may be `*`."""
    return SYSTEM_TENANT if tenant == ALL_TENANTS else tenant
