"""The bodies of a batch as rows for COPY: checked, taken apart to be searched, and committed to."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from trenova.domain.entry import Searchable
from trenova.errors import InvalidBatch
from trenova.ledger.hashing import SALT_BYTES, commitment

COLUMN_TYPES = ["int4", "text", "uuid", *["timestamptz"] * 2, *["text"] * 6, *["bytea"] * 3]

decoder = msgspec.json.Decoder(Searchable)
# msgspec repeats a value that is none of an enumeration. It may be anything, and errors are logged.
QUOTED = re.compile(r" '.*'", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A batch on its way into the logs."""

    rows: Sequence[tuple[Any, ...]]
    """Each id of a tenant once, as it came first."""
    received: Counter[str]
    """How many entries each tenant has in the batch, those that repeat an id among them."""

    @property
    def tenants(self) -> list[str]:
        """In the order in which heads are locked."""
        return sorted(self.received)


def incoming(bodies: Sequence[bytes], salts: bytes) -> Incoming:
    """The rows of a batch; `salts` has 16 random bytes for each body. Raises InvalidBatch for what is not sealed."""
    rows: dict[tuple[Any, Any], tuple[Any, ...]] = {}
    received: Counter[str] = Counter()
    for ordinal, body in enumerate(bodies):
        made = row(ordinal, body, salts[ordinal * SALT_BYTES : (ordinal + 1) * SALT_BYTES])
        _, tenant, id_, *_ = made
        received[tenant] += 1
        rows.setdefault((tenant, id_), made)
    return Incoming(rows=list(rows.values()), received=received)


def row(ordinal: int, body: bytes, salt: bytes) -> tuple[Any, ...]:
    """One row for COPY, in the order of COLUMN_TYPES."""
    entry = searchable(ordinal, body)
    texts = (entry.actor.type, entry.actor.id, entry.action, entry.target.type, entry.target.id, entry.outcome)
    if b"\\u0000" in body and any("\0" in text for text in texts):
        raise not_sealed(ordinal, "a field holds U+0000")
    times = (entry.occurred_at, entry.received_at)
    return (ordinal, entry.tenant, entry.id, *times, *texts, salt, commitment(salt, body), body)


def searchable(ordinal: int, body: bytes) -> Searchable:
    try:
        body.decode()  # msgspec does not look at the strings it skips, and a search reads the whole body as text
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise not_sealed(ordinal, QUOTED.sub("", str(error))) from None
    except RecursionError:
        raise not_sealed(ordinal, "nested too deep to be read") from None


def not_sealed(ordinal: int, reason: str) -> InvalidBatch:
    return InvalidBatch(
        f"entry {ordinal} of the batch is not a sealed entry: {reason}",
        hint="send entries to POST /v1/entries, which checks and seals them",
    )
