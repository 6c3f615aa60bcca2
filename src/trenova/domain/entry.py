"""The fields of an entry: `Draft` as sent by a client, `Entry` before sealing, `SealedEntry` in its final bytes."""

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

# An index row in PostgreSQL has at most 2,704 bytes: 512 characters of up to 4 bytes, the tenant and the time fit.
MAX_ID_LENGTH = 512
MAX_ACTION_LENGTH = 200
MAX_POINTER_LENGTH = 4096
# Canonical bytes can be longer than the entry as sent (computed changes, 1E15 written out). Twice the limit keeps the
# largest entry well below Temporal's 2 MiB for one payload.
CANONICAL_FACTOR = 2

# No dot at either end: clients remove `.` and `..` from addresses, file systems hide `.name` and shorten `name.`.
TENANT_PATTERN = r"^[A-Za-z0-9_-]([A-Za-z0-9._-]{0,126}[A-Za-z0-9_-])?\Z"
ACTION_PATTERN = r"^[a-z0-9][a-z0-9_-]*(\.[a-z0-9][a-z0-9_-]*)*\Z"

Tenant = Annotated[
    str,
    Meta(
        pattern=TENANT_PATTERN,
        description="The tenant of the entry. Taken from the API key; required only with a key for any tenant.",
        examples=["acme"],
    ),
]
# Earlier releases accepted dots at the ends. Stored entries stay readable.
StoredTenant = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,128}\Z", description="The tenant of the ledger.")]
Action = Annotated[
    str,
    Meta(
        pattern=ACTION_PATTERN,
        max_length=MAX_ACTION_LENGTH,
        description="The action: dotted lower-case words, the subject first.",
        examples=["shipment.update"],
    ),
]
Outcome = Literal["success", "failure", "denied"]
Time = Annotated[datetime, Meta(tz=True, description="RFC 3339 with an offset; kept to the microsecond, in UTC.")]
Name = Annotated[str, Meta(min_length=1, max_length=1024)]
PartyType = Annotated[str, Meta(min_length=1, max_length=128)]
PartyId = Annotated[str, Meta(min_length=1, max_length=MAX_ID_LENGTH)]
Comment = Annotated[str, Meta(min_length=1, max_length=8192)]
ContextKey = Annotated[str, Meta(min_length=1, max_length=128)]
ContextValue = Annotated[str, Meta(max_length=4096)]
Pointer = Annotated[
    str, Meta(max_length=MAX_POINTER_LENGTH, pattern=r"^(?![^/])", description="A JSON Pointer (RFC 6901).")
]


class Party(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An actor or a target. `type` is any text: user, service, api_key, agent, shipment."""

    type: PartyType
    id: PartyId
    name: Name | None = None


class Change(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One difference between `before` and `after`. A null value is written; an absent value is left out."""

    path: Pointer
    op: Literal["add", "remove", "replace"]
    before: Any | UnsetType = UNSET
    after: Any | UnsetType = UNSET


class Draft(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, rename=None):
    """An entry as sent by a client. Null in an optional field means that the field is absent."""

    actor: Party
    action: Action
    target: Party
    id: (
        Annotated[
            uuid.UUID,
            Meta(description="The caller's idempotency key: unique within the tenant forever."),
        ]
        | None
    ) = None
    tenant: Tenant | None = None
    occurred_at: Time | None = None
    outcome: Outcome | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    changes: list[Change] | None = None
    context: dict[ContextKey, ContextValue] | None = None
    comment: Comment | None = None
    metadata: dict[str, Any] | None = None
    critical: bool | None = None


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry before it is sealed: every field is set, absent ones are left out."""

    id: uuid.UUID
    tenant: str
    occurred_at: datetime
    received_at: datetime
    actor: Party
    action: str
    target: Party
    outcome: Outcome
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    changes: list[Change] | None = None
    changes_omitted: bool | None = None
    """True if there are too many changes between `before` and `after` to list. Set only by the server."""
    context: dict[str, str] | None = None
    comment: str | None = None
    metadata: dict[str, Any] | None = None
    critical: bool | None = None


class SealedEntry(Struct, frozen=True, kw_only=True):
    """An entry in its final bytes, which are stored, hashed and exported. Nothing encodes them again."""

    id: uuid.UUID
    tenant: str
    body: bytes
    """Canonical JSON: UTF-8, keys sorted, no white space between tokens, times in UTC."""


class PartyKey(Struct, frozen=True):
    type: PartyType
    id: PartyId


class Searchable(Struct, frozen=True, kw_only=True):
    """The searchable parts of a stored body. Everything else in the body is skipped.

    For entries that are stored already, whichever release sealed them. New entries go through `domain.seal_check`.
    """

    id: uuid.UUID
    tenant: StoredTenant
    occurred_at: Time
    received_at: Time
    actor: PartyKey
    action: Annotated[str, Meta(max_length=MAX_ACTION_LENGTH)]
    target: PartyKey
    outcome: Outcome
