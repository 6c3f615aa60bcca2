"""Parked entries, and what becomes of them when they are retried."""

import uuid
from datetime import datetime
from typing import Literal

from msgspec import Struct


class DeadLetter(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A parked entry, or one that was parked. Times are UTC."""

    id: uuid.UUID
    state: Literal["parked", "stored"]
    tenant: str | None = None
    """Absent where the body does not name one."""
    entry_id: uuid.UUID | None = None
    batch_id: str
    ordinal: int
    """Its position in the batch, from 0."""
    code: str
    """Why it cannot be stored: the SQLSTATE with which the database rejected it last, or one of these.

    `not_sealed`: the body is not an entry; `reserved`: a name in it is reserved for the system; `clock`: its time of
    receipt is impossible; `duplicate`: its id is stored with another content; `database`: the entry is valid, but its
    ledger is damaged, or the database does not mark the dead letter as stored.
    """
    reason: str
    attempts: int
    parked_at: datetime
    tried_at: datetime
    next_try_at: datetime | None = None
    """Absent once it is stored."""
    edited_by: str | None = None
    """Id of the API key."""
    stored_at: datetime | None = None
    body: bytes | None = None
    """The exact bytes in standard base64, where they are asked for; absent once they are in the ledger."""

    def __repr__(self) -> str:
        # Body and reason may hold what an entry says, and a representation may end up in a log.
        return f"DeadLetter(id={self.id!r}, state={self.state!r}, code={self.code!r})"


class RetryResult(Struct, frozen=True, kw_only=True):
    """How many parked entries were retried, stored and parked again. Travels through Temporal: it holds no content."""

    tried: int = 0
    """The sum of the other two."""
    stored: int = 0
    parked: int = 0

    def __add__(self, other: "RetryResult") -> "RetryResult":
        return RetryResult(
            tried=self.tried + other.tried, stored=self.stored + other.stored, parked=self.parked + other.parked
        )
