"""Appending entries to the tenants' logs, exactly once, and reading single ones back."""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from trenova.domain.batch import BatchResult
from trenova.domain.entry import Searchable
from trenova.errors import InvalidBatch
from trenova.store.batches import summed
from trenova.store.pool import Pool
from trenova.store.sql import sql

INCOMING, COPY_INCOMING = sql("incoming"), sql("copy_incoming")
NEW_HEADS, LOCK_HEADS, APPEND, BATCH_COUNTS = sql("new_heads"), sql("lock_heads"), sql("append"), sql("batch_counts")
ENTRY, RECEIPTS = sql("entry"), sql("receipts")

COLUMN_TYPES = ["int4", "text", "uuid", *["timestamptz"] * 2, *["text"] * 6, "bytea"]

decoder = msgspec.json.Decoder(Searchable)
# msgspec repeats a value that is none of an enumeration. It may be anything, and errors are logged.
QUOTED = re.compile(r" '.*'", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Where an entry stands in its tenant's log, and whether one of the batches asked about put it there."""

    tenant: str
    id: uuid.UUID
    index: int
    by_this_batch: bool
    body: bytes
    """As stored: those of the entry that came first."""


@dataclass(frozen=True, slots=True)
class Entries:
    pool: Pool

    async def append(self, batch_id: str, bodies: Sequence[bytes]) -> BatchResult:
        """Store the entries that are not there yet, in one transaction. May be called any number of times.

        Raises InvalidBatch for bodies that are no sealed entries, Unavailable while the database is away.
        """
        rows = [row(ordinal, body) for ordinal, body in enumerate(bodies)]
        tenants = {"tenants": sorted({tenant for _, tenant, *_ in rows})}
        async with self.pool.cursor() as cursor:
            # Dying anywhere before the commit leaves nothing: the transaction is rolled back, and the workflow's next
            # attempt starts from the beginning. Dying after it leaves everything: that attempt finds each entry there.
            await cursor.execute(INCOMING)
            async with cursor.copy(COPY_INCOMING) as copy:
                copy.set_types(COLUMN_TYPES)
                for each in rows:
                    await copy.write_row(each)
            await cursor.execute(NEW_HEADS, tenants)
            await cursor.execute(LOCK_HEADS, tenants)
            # A statement of its own, so that its snapshot sees what the last holder of the locks committed.
            await cursor.execute(APPEND, {"batch_id": batch_id})
            await cursor.execute(BATCH_COUNTS, {"batch_id": batch_id})
            return summed(batch_id, await cursor.fetchall())

    async def receipts(
        self, batch_ids: Sequence[str], entries: Sequence[tuple[str, uuid.UUID]]
    ) -> dict[tuple[str, uuid.UUID], Receipt]:
        """What the log holds under each (tenant, id). Those that are not stored are absent."""
        asked = {
            "batch_ids": list(batch_ids),
            "tenants": [tenant for tenant, _ in entries],
            "ids": [id_ for _, id_ in entries],
        }
        async with self.pool.cursor() as cursor:
            await cursor.execute(RECEIPTS, asked)
            return {
                (tenant, id_): Receipt(
                    tenant=tenant, id=id_, index=index, by_this_batch=by_this_batch, body=bytes(body)
                )
                for tenant, id_, index, body, by_this_batch in await cursor.fetchall()
            }

    async def find(self, id_: uuid.UUID, *, tenant: str | None) -> list[bytes]:
        """The bodies of the entries with this id: one at most in a tenant, any number over all of them (None)."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(ENTRY, {"id": id_, "tenant": tenant})
            return [bytes(body) for (body,) in await cursor.fetchall()]


def row(ordinal: int, body: bytes) -> tuple[Any, ...]:
    """One row for COPY, in the order of COLUMN_TYPES."""
    entry = searchable(ordinal, body)
    texts = (entry.actor.type, entry.actor.id, entry.action, entry.target.type, entry.target.id, entry.outcome)
    if b"\\u0000" in body and any("\0" in text for text in texts):
        raise not_sealed(ordinal, "a field holds U+0000")
    return (ordinal, entry.tenant, entry.id, entry.occurred_at, entry.received_at, *texts, body)


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
