"""Appending entries to the tenants' logs, exactly once, and reading single ones back."""

import os
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import msgspec

from trenova import tracing
from trenova.config import LimitSettings
from trenova.domain import seal_check
from trenova.domain.batch import BatchResult
from trenova.domain.entry import SealedEntry
from trenova.errors import InvalidConfiguration, RowRejected
from trenova.ledger.hashing import SALT_BYTES
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.store.append import append, off_loop
from trenova.store.dead_letters import park
from trenova.store.ledgers import Leaf, leaf
from trenova.store.pool import Pool
from trenova.store.rejected_rows import sift
from trenova.store.rows import incoming
from trenova.store.sql import sql

ENTRY, RECEIPTS = sql("entry"), sql("receipts")

# What checks more than this does it in a thread, so that other batches are not kept waiting.
OFF_LOOP_BYTES = 64 * 1024
# Bodies that say the same differ in what the server adds: times, and the changes that it may have left out of one.
ALIKE_FACTOR, ALIKE_BYTES = 4, 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntry:
    """Where an entry stands in its tenant's log, and whether one of the batches asked about put it there."""

    tenant: str
    id: uuid.UUID
    index: int
    by_this_batch: bool
    salt: bytes | None
    commitment: bytes
    has_body: bool
    """False, and no salt, once the content is removed."""
    body: bytes | None
    """As stored: that of the entry that came first. None also where it is too long to say the same as what was sent."""


@dataclass(frozen=True, slots=True)
class Entries:
    pool: Pool
    signer: LedgerSigner | None = None
    """Needed to append, not to read."""
    limits: LimitSettings = seal_check.DEFAULT_LIMITS
    """What the API lets in."""

    async def append(self, batch_id: str, bodies: Sequence[bytes], *, run_id: str | None = None) -> BatchResult:
        """Store the entries that are not there yet. Park those that the API would not seal or the database refuses.

        `run_id` is the run of the workflow that they came with: the note of it says that this run has done its work.

        All in one transaction; may be called any number of times. Raises Unavailable while the database is away,
        DatabaseFault when it refuses the program, LedgerDamaged where a stored log contradicts itself.
        """
        if self.signer is None:
            raise InvalidConfiguration(["nothing is appended without a signing key, and this program has none"])
        salts = os.urandom(SALT_BYTES * len(bodies))
        read = partial(seal_check.read_sealed, rules=seal_check.Rules(limits=self.limits, now=datetime.now(UTC)))
        batch = await off_loop(sum(map(len, bodies)) > OFF_LOOP_BYTES, lambda: incoming(bodies, salts, read))
        if not batch.unreadable:
            # A refusal has rolled everything back: begin again, and find out whose fault it was.
            with suppress(RowRejected), tracing.current.append():
                async with self.pool.cursor() as cursor:
                    return await append(cursor, self.signer, batch_id, batch, run_id)
        with tracing.current.append():
            async with self.pool.cursor() as cursor:
                good, refused = await sift(cursor, batch)
                result = await append(cursor, self.signer, batch_id, good, run_id)
                await park(cursor, batch_id, refused)
        return msgspec.structs.replace(result, parked=len(refused))

    async def receipts(
        self, batch_ids: Sequence[str], sent: Sequence[SealedEntry]
    ) -> dict[tuple[str, uuid.UUID], StoredEntry]:
        """What the log holds under each (tenant, id) of what was sent. Those that are not stored are absent."""
        asked = {
            "batch_ids": list(batch_ids),
            "tenants": [entry.tenant for entry in sent],
            "ids": [entry.id for entry in sent],
            "at_most": [longest_alike(entry.body) for entry in sent],
        }
        async with self.pool.cursor() as cursor:
            await cursor.execute(RECEIPTS, asked)
            return {
                (tenant, id_): StoredEntry(
                    tenant=tenant,
                    id=id_,
                    index=index,
                    by_this_batch=by_this_batch,
                    salt=salt,
                    commitment=commitment,
                    has_body=has_body,
                    body=body,
                )
                for tenant, id_, index, salt, commitment, body, has_body, by_this_batch in await cursor.fetchall()
            }

    async def find(self, id_: uuid.UUID, *, tenant: str | None) -> dict[str, Leaf]:
        """The entries with this id by tenant: one at most in a tenant, any number over all of them (None)."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(ENTRY, {"id": id_, "tenant": tenant})
            return {found: leaf(*row) for found, *row in await cursor.fetchall()}


def longest_alike(body: bytes) -> int:
    """Bytes of the longest stored body that could say the same as this one."""
    return ALIKE_FACTOR * len(body) + ALIKE_BYTES
