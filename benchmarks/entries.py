"""The entries that every contestant gets: a real CloudTrail collection, mapped as `trenova import` maps it.

The collection is repeated until there are enough; each copy has a new random id. Random ids are what applications with
their own keys send, and the most expensive ones for an index; all contestants get them.
"""

import itertools
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from trenova.config import LimitSettings
from trenova.domain import intake
from trenova.importing.maps import mapper
from trenova.importing.read import open_source
from trenova.importing.record import Record
from trenova.ledger.hashing import SALT_BYTES
from trenova.store.appending.rows import row_of_body

COLLECTION = (
    Path(__file__).parents[1] / "tests" / "data" / "collections" / "cloudtrail-invictus-stratus-attack.ndjson.gz"
)
# Of rows(), with their types. `index` is the position in the list: contestants without numbering get it for free.
COLUMNS = (
    ("index", "int8"),
    ("tenant", "text"),
    ("id", "uuid"),
    ("occurred_at", "timestamptz"),
    ("received_at", "timestamptz"),
    ("actor_type", "text"),
    ("actor_id", "text"),
    ("action", "text"),
    ("target_type", "text"),
    ("target_id", "text"),
    ("outcome", "text"),
    ("salt", "bytea"),
    ("commitment", "bytea"),
    ("body", "bytea"),
)


@cache
def templates() -> Sequence[bytes]:
    """The collection's entries as JSON texts without an id and without the opening brace."""
    to_entry = mapper("cloudtrail")
    found = []
    with open_source(str(COLLECTION)) as source:
        for record in source:
            assert isinstance(record, Record), record
            entry = to_entry(record.event)
            del entry["id"]
            entry.pop("tenant", None)
            found.append(msgspec.json.encode(entry)[1:])
    return found


def texts(count: int, *, tenant: str | None = None) -> Iterator[bytes]:
    """`count` entries as a client sends them; with `tenant` for a key for any tenant."""
    named = b"" if tenant is None else b'"tenant":"%b",' % tenant.encode()
    for template in itertools.islice(itertools.cycle(templates()), count):
        yield b'{"id":"%b",%b%b' % (str(uuid.uuid4()).encode(), named, template)


def request_bodies(requests: int, entries_each: int, *, tenants: Sequence[str | None] = (None,)) -> list[bytes]:
    """Request bodies: an object for one entry, an array for several. Each holds one tenant, in turn."""
    bodies = []
    sources = [texts(-(-requests // len(tenants)) * entries_each, tenant=tenant) for tenant in tenants]
    for source in itertools.islice(itertools.cycle(sources), requests):
        together = b",".join(itertools.islice(source, entries_each))
        bodies.append(together if entries_each == 1 else b"[%b]" % together)
    return bodies


def rows(count: int, *, tenant: str) -> list[tuple[Any, ...]]:
    """The same entries sealed, as the rows that our worker writes, in the order of COLUMNS."""
    limits = LimitSettings()
    circumstances = intake.RequestContext(received_at=datetime.now(UTC), tenant=tenant)
    return [
        row_of_body(index, intake.check([text], circumstances, limits).sealed[0][1].body, bytes(SALT_BYTES))
        for index, text in enumerate(texts(count))
    ]


def sealed_bodies(count: int, *, tenant: str) -> list[bytes]:
    return [each[-1] for each in rows(count, tenant=tenant)]


def mean_bytes() -> float:
    return sum(len(template) for template in templates()) / len(templates())
