"""Storing batches of entries exactly once, and reading single entries back."""

import os
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import msgspec

from trenova import tracing
from trenova.config import KIB, LimitSettings
from trenova.domain import seal_check
from trenova.domain.batch import BatchResult
from trenova.domain.entry import SealedEntry
from trenova.errors import RowRejected
from trenova.ledger.hashing import SALT_BYTES
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.store.appending.append import append, require_signer
from trenova.store.appending.parking import park
from trenova.store.appending.rejected_rows import separate_rejected
from trenova.store.appending.rows import IncomingBatch, read_batch
from trenova.store.ledgers import Leaf
from trenova.store.pool import Pool
from trenova.store.sql import sql
from trenova.threads import run_off_loop

ENTRY, RECEIPTS = sql("entry"), sql("receipts")

# A larger batch is checked in a thread, so that other batches do not wait for it.
OFF_LOOP_BYTES = 64 * KIB
# Two bodies with the same content differ in what the server adds: times, and changes that it may have left out.
SAME_CONTENT_FACTOR, SAME_CONTENT_BYTES = 4, 1024


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry in its tenant's ledger: a row of `receipts.sql`."""

    tenant: str
    id: uuid.UUID
    index: int
    salt: bytes | None
    commitment: bytes
    body: bytes | None
    """As stored first. None, too, where it is too long to have the content that was sent."""
    has_body: bool
    """False, and no salt, once the content is removed."""
    by_this_batch: bool
    """Whether one of the batches in question stored it."""


@dataclass(frozen=True, slots=True)
class Entries:
    pool: Pool
    signer: LedgerSigner | None = None
    """Needed to append, not to read."""
    limits: LimitSettings = seal_check.DEFAULT_LIMITS
    """Those of the API."""

    async def append(self, batch_id: str, bodies: Sequence[bytes], *, run_id: str | None = None) -> BatchResult:
        """Store the entries that are not stored yet. Park those that the API would not seal or the database rejects.

        `run_id` is the run of the workflow that carried them: the note of the batch says that this run has stored it.

        All in one transaction; may be called any number of times. Raises Unavailable while the database is unreachable,
        DatabaseFault when it rejects a statement of ours, LedgerDamaged where a stored ledger contradicts itself.
        """
        require_signer(self.signer)
        batch = await self._read_batch(bodies)
        if not batch.unreadable:
            # A rejected row has rolled everything back: begin again below, and find that row.
            with suppress(RowRejected), tracing.current.append():
                async with self.pool.cursor() as cursor:
                    return await append(cursor, self.signer, batch_id, batch, run_id)
        with tracing.current.append():
            async with self.pool.cursor() as cursor:
                good, rejected = await separate_rejected(cursor, batch)
                result = await append(cursor, self.signer, batch_id, good, run_id)
                await park(cursor, batch_id, rejected)
        return msgspec.structs.replace(result, parked=len(rejected))

    async def _read_batch(self, bodies: Sequence[bytes]) -> IncomingBatch:
        salts = os.urandom(SALT_BYTES * len(bodies))
        read_entry = partial(seal_check.read_sealed, rules=seal_check.Rules(limits=self.limits, now=datetime.now(UTC)))
        large = sum(map(len, bodies)) > OFF_LOOP_BYTES
        return await run_off_loop(lambda: read_batch(bodies, salts, read_entry), large=large)

    async def receipts(
        self, batch_ids: Sequence[str], sent: Sequence[SealedEntry]
    ) -> dict[tuple[str, uuid.UUID], StoredEntry]:
        """The stored entry under each (tenant, id) of what was sent. Those that are not stored are absent."""
        parameters = {
            "batch_ids": list(batch_ids),
            "tenants": [entry.tenant for entry in sent],
            "ids": [entry.id for entry in sent],
            "at_most": [longest_same_content(entry.body) for entry in sent],
        }
        async with self.pool.cursor() as cursor:
            await cursor.execute(RECEIPTS, parameters)
            entries = [StoredEntry(*row) for row in await cursor.fetchall()]
            return {(entry.tenant, entry.id): entry for entry in entries}

    async def find(self, id_: uuid.UUID, *, tenant: str | None) -> dict[str, Leaf]:
        """The entries with this id by tenant: at most one in a tenant, any number over all of them (None)."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(ENTRY, {"id": id_, "tenant": tenant})
            return {owner: Leaf(*columns) for owner, *columns in await cursor.fetchall()}


def longest_same_content(body: bytes) -> int:
    """Bytes of the longest stored body that could have the same content as this one."""
    return SAME_CONTENT_FACTOR * len(body) + SAME_CONTENT_BYTES
