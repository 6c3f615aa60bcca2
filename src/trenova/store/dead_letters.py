"""Dead letters: entries that could not be stored, parked with their exact bytes until they can be."""

import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import psycopg
import structlog
import uuid_utils.compat
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import class_row

from trenova.config import LimitSettings
from trenova.domain import seal_check
from trenova.domain.dead_letters import DeadLetter, RetryResult
from trenova.domain.same_content import has_same_content
from trenova.errors import DatabaseFault, Forbidden, LedgerDamaged, NotFound, RowRejected, TrenovaError
from trenova.ledger.hashing import SALT_BYTES
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.store import write_checks
from trenova.store.appending.append import append, require_signer
from trenova.store.appending.parking import PAUSE
from trenova.store.appending.rejected_rows import separate_rejected
from trenova.store.appending.rows import MAX_REASON, IncomingBatch, RejectedRow, read_batch
from trenova.store.entries import RECEIPTS, StoredEntry
from trenova.store.pages import MAX_PAGE_BYTES
from trenova.store.pool import Pool
from trenova.store.records import Records
from trenova.store.sql import sql

EDIT, MAKE_DUE = sql("edit_letter"), sql("make_letters_due")
DUE, STORED, REJECTED = sql("due_letters"), sql("letters_stored"), sql("letters_rejected")
LETTERS, OF_BATCHES, PARKED = sql("letters"), sql("parked_of_batches"), sql("count_parked")

# The longest pause between two retries. No retry is the last.
LONGEST_PAUSE = timedelta(days=1)
# In place of a SQLSTATE: its id is stored already, with another content.
DUPLICATE = "duplicate"
OTHER_CONTENT = "another entry with this id is stored, with another content"
# The entry is valid: its ledger is damaged, or the database does not mark the dead letter as stored.
DATABASE = "database"
# Longer than any body: few letters are retried at once, so all stored bodies can be read for comparison.
WHOLE_BODY = 2**40

Cursor = psycopg.AsyncCursor[Any]

log = structlog.get_logger()


class DueLetter(NamedTuple):
    """A row of `due_letters.sql`."""

    id: uuid.UUID
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """What a receipt says of an entry that its batch parked."""

    batch_id: str
    tenant: str | None
    entry_id: uuid.UUID | None
    code: str
    reason: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeadLetters:
    pool: Pool
    signer: LedgerSigner | None = None
    """Needed to retry, not to read."""
    limits: LimitSettings = seal_check.DEFAULT_LIMITS
    """Those of the API."""
    reads: Pool | None = None
    """For lists, where they have their own connections."""

    async def page(
        self,
        *,
        tenant: str | None = None,
        parked: bool | None = True,
        before: uuid.UUID | None = None,
        limit: int,
        bodies: bool = True,
    ) -> list[DeadLetter]:
        """Newest first, starting below the letter `before`. `parked`: those still parked, those stored since, or all.

        Without `bodies` none has its body. With them there may be fewer than `limit`: see `pages.is_full`.
        """
        return await self._read(tenant=tenant, parked=parked, before=before, limit=limit, bodies=bodies)

    async def find(self, id_: uuid.UUID, *, tenant: str | None) -> DeadLetter:
        """Raises NotFound, also for a letter of another tenant."""
        letters = await self._read(tenant=tenant, id=id_, limit=1)
        if not letters:
            raise not_found()
        return letters[0]

    async def of_batches(self, batch_ids: Sequence[str], *, tenant: str | None = None) -> list[Parked]:
        """What these batches have parked, including what is stored since."""
        async with self.pool.cursor() as cursor:
            cursor.row_factory = class_row(Parked)
            await cursor.execute(OF_BATCHES, {"batch_ids": list(batch_ids), "tenant": tenant})
            return await cursor.fetchall()

    async def edit(self, id_: uuid.UUID, *, tenant: str, entry_id: uuid.UUID, body: bytes, edited_by: str) -> None:
        """Replace the parked body by a sealed one, and make the letter due. Raises NotFound if none is parked.

        The same transaction records the edit, which soon is an entry `dead_letter.edit` in this tenant's ledger. Raises
        Forbidden unless `edited_by` is the id of a valid admin key for this tenant, and the letter is of no other.
        """
        edit = {"id": id_, "tenant": tenant, "entry_id": entry_id, "body": body, "edited_by": edited_by}
        async with self.pool.cursor() as cursor:
            try:
                await cursor.execute(EDIT, edit)
            except InsufficientPrivilege as error:
                raise Forbidden(
                    "this API key may not make this edit, or the entry belongs to another tenant",
                    note=f"the database denies it: {error.diag.message_primary}",
                ) from None
            if await cursor.fetchone() != (True,):
                raise not_found()

    async def make_due(self, *, id_: uuid.UUID | None = None, tenant: str | None = None) -> int:
        """Have the next retry include them. Returns how many they are."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(MAKE_DUE, {"id": id_, "tenant": tenant})
            ((count,),) = await cursor.fetchall()
            return int(count)

    async def count_parked(self) -> tuple[int, datetime | None]:
        """How many entries are parked, and since when the oldest is."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(PARKED)
            return await cursor.fetchone() or (0, None)

    async def retry(self, limit: int) -> RetryResult:
        """Retry at most `limit` of the letters that are due. `tried` is 0 when none is due.

        All in one transaction, or in halves of them where it fails: a letter that the database does not let us settle,
        or whose ledger is damaged, holds up no other. A crash before a commit leaves its letters due; a crash after it
        leaves each stored, or due later. Records of edits are appended first, in other transactions.
        """
        signer = require_signer(self.signer)
        await Records(self.pool, signer).append_pending()
        return await self._retry(signer, limit)

    async def _retry(self, signer: LedgerSigner, limit: int, ids: Sequence[uuid.UUID] | None = None) -> RetryResult:
        """Retry letters that are due; only those in `ids`, where it is given."""
        letters: list[DueLetter] = []
        try:
            async with self.pool.cursor() as cursor:
                letters = await lock_due(cursor, limit, ids)
                return await self._store(cursor, signer, letters)
        except (LedgerDamaged, DatabaseFault, RowRejected) as error:
            if not letters:
                raise
            failure = error
        if len(letters) == 1:
            return await self._put_off(letters[0].id, failure)
        half = len(letters) // 2
        tried = [letter.id for letter in letters]
        return await self._retry(signer, limit, tried[:half]) + await self._retry(signer, limit, tried[half:])

    async def _store(self, cursor: Cursor, signer: LedgerSigner, letters: Sequence[DueLetter]) -> RetryResult:
        if not letters:
            return RetryResult()
        bodies = [letter.body for letter in letters]
        read_entry = partial(seal_check.read_sealed, rules=seal_check.Rules(limits=self.limits, now=datetime.now(UTC)))
        batch = read_batch(bodies, os.urandom(SALT_BYTES * len(bodies)), read_entry)
        good, rejected = await separate_rejected(cursor, batch)
        batch_id = f"retry-{uuid_utils.compat.uuid7()}"
        await append(cursor, signer, batch_id, good)
        rejected += await with_other_content(cursor, batch_id, good)
        await self._settle(cursor, [letter.id for letter in letters], good, rejected)
        return RetryResult(tried=len(letters), stored=len(letters) - len(rejected), parked=len(rejected))

    async def _put_off(self, id_: uuid.UUID, error: TrenovaError) -> RetryResult:
        """Have a valid letter that cannot be stored now retried after the shortest pause."""
        log.error("dead letter not stored", letter=str(id_), error=error.message)
        async with self.pool.cursor() as cursor:
            if not await lock_due(cursor, 1, [id_]):
                return RetryResult()  # another worker has retried it since
            changed = await reject(cursor, [id_], [(DATABASE, error.message[:MAX_REASON])], longest=PAUSE)
            write_checks.check_letters(1, changed)
        return RetryResult(tried=1, parked=1)

    async def _settle(
        self, cursor: Cursor, ids: Sequence[uuid.UUID], good: IncomingBatch, rejected: Sequence[RejectedRow]
    ) -> None:
        """Mark each letter as stored or as rejected once more. `ids` are in the order of the batch."""
        still_parked = {row.ordinal for row in rejected}
        stored = [row for row in (*good.rows, *good.repeats) if row.ordinal not in still_parked]
        columns = {
            "ids": [ids[row.ordinal] for row in stored],
            "tenants": [row.tenant for row in stored],
            "entry_ids": [row.id for row in stored],
        }
        await cursor.execute(STORED, columns)
        changed = cursor.rowcount
        changed += await reject(
            cursor, [ids[row.ordinal] for row in rejected], [(row.code, row.reason) for row in rejected]
        )
        write_checks.check_letters(len(ids), changed)

    async def _read(self, **filters: Any) -> list[DeadLetter]:
        defaults = {"tenant": None, "before": None, "id": None, "parked": None, "bodies": True}
        async with (self.reads or self.pool).cursor() as cursor:
            cursor.row_factory = class_row(DeadLetter)
            await cursor.execute(LETTERS, defaults | {"max_bytes": MAX_PAGE_BYTES} | filters)
            return await cursor.fetchall()


async def lock_due(cursor: Cursor, limit: int, ids: Sequence[uuid.UUID] | None) -> list[DueLetter]:
    """Letters that are due, locked until the transaction ends."""
    await cursor.execute(DUE, {"limit": limit, "ids": None if ids is None else list(ids)})
    return [DueLetter._make(row) for row in await cursor.fetchall()]


async def reject(
    cursor: Cursor, ids: Sequence[uuid.UUID], reasons: Sequence[tuple[str, str]], longest: timedelta = LONGEST_PAUSE
) -> int:
    """Note code and reason of each letter that was rejected once more. Returns how many letters that changed."""
    columns = {
        "ids": ids,
        "codes": [code for code, _ in reasons],
        "reasons": [reason for _, reason in reasons],
        "pause": PAUSE,
        "longest": longest,
    }
    await cursor.execute(REJECTED, columns)
    return cursor.rowcount


async def with_other_content(cursor: Cursor, batch_id: str, batch: IncomingBatch) -> list[RejectedRow]:
    """The entries whose ids are stored with another content: these are not duplicates.

    They stay parked. Calling them stored would drop what was accepted.
    """
    rows = [*batch.rows, *batch.repeats]
    parameters = {
        "batch_ids": [batch_id],
        "tenants": [row.tenant for row in rows],
        "ids": [row.id for row in rows],
        "at_most": [WHOLE_BODY] * len(rows),
    }
    await cursor.execute(RECEIPTS, parameters)
    entries = [StoredEntry(*row) for row in await cursor.fetchall()]
    bodies = {(entry.tenant, entry.id): entry.body for entry in entries}
    return [
        RejectedRow(
            ordinal=row.ordinal, tenant=row.tenant, id=row.id, body=row.body, code=DUPLICATE, reason=OTHER_CONTENT
        )
        for row in rows
        for body in [bodies[row.tenant, row.id]]
        if body is not None and not has_same_content(body, row.body)
    ]


def not_found() -> NotFound:
    return NotFound("no parked entry has this id", hint="list them: trenova dead-letters list")
