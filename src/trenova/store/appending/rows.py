"""The bodies of a batch as rows for COPY: checked, taken apart for searches, and committed to."""

import re
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

import msgspec

from trenova.domain.entry import Entry, Searchable, StoredTenant
from trenova.domain.seal_check import UnsealedBody
from trenova.errors import NotSealed
from trenova.ledger.hashing import SALT_BYTES, commitment

ReadEntry = Callable[[bytes], Entry | Searchable]
"""Returns the entry in a body, or raises UnsealedBody."""


class Row(NamedTuple):
    """An entry as a row for COPY: its fields are the columns of `copy_incoming.sql`, in their order."""

    ordinal: int
    """Its place in the batch, from 0."""
    tenant: str
    id: uuid.UUID
    occurred_at: datetime
    received_at: datetime
    actor_type: str
    actor_id: str
    action: str
    target_type: str
    target_id: str
    outcome: str
    salt: bytes
    commitment: bytes
    body: bytes


COLUMN_TYPES = ["int4", "text", "uuid", *["timestamptz"] * 2, *["text"] * 6, *["bytea"] * 3]


class EntryName(msgspec.Struct, frozen=True):
    """Which entry a body names, whatever else is wrong with it."""

    tenant: StoredTenant | None = None
    id: uuid.UUID | None = None


decoder, name_decoder = msgspec.json.Decoder(Searchable), msgspec.json.Decoder(EntryName)
MAX_REASON = 2000  # characters: lists show it, and it may quote a key of any length
# msgspec repeats a value that is not in an enumeration. It may be anything, and errors are logged.
QUOTED = re.compile(r" '.*'", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRow:
    """An entry of a batch that cannot be stored, and why. `reason` may quote it, so keep it with the body only."""

    ordinal: int
    tenant: str | None
    """None, like the id, where the body names none."""
    id: uuid.UUID | None
    body: bytes = field(repr=False)
    code: str
    reason: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class IncomingBatch:
    """A batch on its way into the ledgers."""

    rows: Sequence[Row]
    """The first row with each id of a tenant."""
    repeats: Sequence[Row]
    """The later rows with the same ids: duplicates, if the first one is stored."""
    unreadable: Sequence[RejectedRow]

    @cached_property
    def entry_counts(self) -> Counter[str]:
        """How many entries each tenant has in the batch, without the unreadable ones."""
        return Counter(map(attrgetter("tenant"), chain(self.rows, self.repeats)))

    @cached_property
    def tenants(self) -> list[str]:
        """Sorted, which is the order in which heads are locked."""
        return sorted(self.entry_counts)


def read_batch(bodies: Sequence[bytes], salts: bytes, read_entry: ReadEntry) -> IncomingBatch:
    """The rows of a batch. `salts` has 16 random bytes for each body; a body that raises UnsealedBody is unreadable."""
    rows: dict[tuple[str, uuid.UUID], Row] = {}
    repeats: list[Row] = []
    unreadable: list[RejectedRow] = []
    for ordinal, body in enumerate(bodies):
        try:
            entry = read_entry(body)
        except UnsealedBody as error:
            unreadable.append(unreadable_row(ordinal, body, error))
            continue
        row = row_of_entry(ordinal, entry, body, salts[ordinal * SALT_BYTES : (ordinal + 1) * SALT_BYTES])
        if rows.setdefault((row.tenant, row.id), row) is not row:
            repeats.append(row)
    return IncomingBatch(rows=list(rows.values()), repeats=repeats, unreadable=unreadable)


def unreadable_row(ordinal: int, body: bytes, error: UnsealedBody) -> RejectedRow:
    """A body that is not an entry, with the tenant and the id that it may name nevertheless."""
    try:
        name = name_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        name = EntryName()
    reason = f"not a sealed entry: {error.reason}".replace("\0", "\N{REPLACEMENT CHARACTER}")[:MAX_REASON]
    return RejectedRow(ordinal=ordinal, tenant=name.tenant, id=name.id, body=body, code=error.code, reason=reason)


def row_of_body(ordinal: int, body: bytes, salt: bytes) -> Row:
    """The row of a stored body. Raises NotSealed for a body that is not an entry."""
    return row_of_entry(ordinal, decode_searchable(body), body, salt)


def row_of_entry(ordinal: int, entry: Entry | Searchable, body: bytes, salt: bytes) -> Row:
    return Row(
        ordinal,
        entry.tenant,
        entry.id,
        entry.occurred_at,
        entry.received_at,
        entry.actor.type,
        entry.actor.id,
        entry.action,
        entry.target.type,
        entry.target.id,
        entry.outcome,
        salt,
        commitment(salt, body),
        body,
    )


def decode_searchable(body: bytes) -> Searchable:
    try:
        body.decode()  # msgspec does not check the strings it skips, and a search reads the whole body as text
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise not_sealed(QUOTED.sub("", str(error))) from None
    except RecursionError:
        raise not_sealed("nested too deeply to be read") from None


def not_sealed(reason: str) -> NotSealed:
    return NotSealed(
        f"not a sealed entry: {reason}",
        hint="send entries to POST /v1/entries, which checks and seals them",
    )
