"""The bodies of a batch as rows for COPY: checked, taken apart to be searched, and committed to."""

import re
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from operator import itemgetter
from typing import Any

import msgspec

from trenova.domain.entry import Entry, Searchable, StoredTenant
from trenova.domain.seal_check import UnsealedBody
from trenova.errors import NotSealed
from trenova.ledger.hashing import SALT_BYTES, commitment

COLUMN_TYPES = ["int4", "text", "uuid", *["timestamptz"] * 2, *["text"] * 6, *["bytea"] * 3]

TENANT, ID = 1, 2

Row = tuple[Any, ...]
Read = Callable[[bytes], Entry | Searchable]
"""Gives the entry in a body, or raises Unsealed."""


class Named(msgspec.Struct, frozen=True):
    """Whose entry a body may be, whatever else is wrong with it."""

    tenant: StoredTenant | None = None
    id: uuid.UUID | None = None


decoder, name_decoder = msgspec.json.Decoder(Searchable), msgspec.json.Decoder(Named)
MAX_REASON = 2000  # it is shown in lists, and may quote a key of any length
# msgspec repeats a value that is none of an enumeration. It may be anything, and errors are logged.
QUOTED = re.compile(r" '.*'", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRow:
    """An entry of a batch that cannot be stored, and why. `reason` may quote it, so it belongs beside the body only."""

    ordinal: int
    tenant: str | None
    """None, as the id is, where the body names none."""
    id: uuid.UUID | None
    body: bytes = field(repr=False)
    code: str
    reason: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """A batch on its way into the logs."""

    rows: Sequence[Row]
    """Each id of a tenant once, as it came first."""
    repeats: Sequence[Row]
    """The others with an id that came before: duplicates, if that one is stored."""
    unreadable: Sequence[RejectedRow]

    @cached_property
    def received(self) -> Counter[str]:
        """How many entries each tenant has in the batch, without those that are unreadable."""
        return Counter(map(itemgetter(TENANT), chain(self.rows, self.repeats)))

    @cached_property
    def tenants(self) -> list[str]:
        """In the order in which heads are locked."""
        return sorted(self.received)


def incoming(bodies: Sequence[bytes], salts: bytes, read: Read) -> Incoming:
    """The rows of a batch; `salts` has 16 random bytes for each body. What `read` refuses is unreadable."""
    rows: dict[tuple[Any, Any], Row] = {}
    repeats: list[Row] = []
    unreadable: list[RejectedRow] = []
    for ordinal, body in enumerate(bodies):
        try:
            entry = read(body)
        except UnsealedBody as error:
            unreadable.append(unsealed(ordinal, body, error))
            continue
        made = columns(ordinal, entry, body, salts[ordinal * SALT_BYTES : (ordinal + 1) * SALT_BYTES])
        if rows.setdefault((made[TENANT], made[ID]), made) is not made:
            repeats.append(made)
    return Incoming(rows=list(rows.values()), repeats=repeats, unreadable=unreadable)


def unsealed(ordinal: int, body: bytes, error: UnsealedBody) -> RejectedRow:
    """A body that is no entry, with the tenant and id that it may name all the same."""
    try:
        named = name_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        named = Named()
    reason = f"not a sealed entry: {error.reason}".replace("\0", "\N{REPLACEMENT CHARACTER}")[:MAX_REASON]
    return RejectedRow(ordinal=ordinal, tenant=named.tenant, id=named.id, body=body, code=error.code, reason=reason)


def row(ordinal: int, body: bytes, salt: bytes) -> Row:
    """The row of a stored body. Raises NotSealed for one that is no entry."""
    return columns(ordinal, searchable(body), body, salt)


def columns(ordinal: int, entry: Entry | Searchable, body: bytes, salt: bytes) -> Row:
    """One row for COPY, in the order of COLUMN_TYPES."""
    texts = (entry.actor.type, entry.actor.id, entry.action, entry.target.type, entry.target.id, entry.outcome)
    times = (entry.occurred_at, entry.received_at)
    return (ordinal, entry.tenant, entry.id, *times, *texts, salt, commitment(salt, body), body)


def searchable(body: bytes) -> Searchable:
    try:
        body.decode()  # msgspec does not look at the strings it skips, and a search reads the whole body as text
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise not_sealed(QUOTED.sub("", str(error))) from None
    except RecursionError:
        raise not_sealed("nested too deep to be read") from None


def not_sealed(reason: str) -> NotSealed:
    return NotSealed(
        f"not a sealed entry: {reason}",
        hint="send entries to POST /v1/entries, which checks and seals them",
    )
