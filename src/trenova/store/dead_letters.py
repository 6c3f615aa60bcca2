"""Entries that the database refuses for their own sake: parked with their exact bytes until they can be stored."""

import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import structlog
import uuid_utils.compat
from psycopg.errors import InsufficientPrivilege

from trenova.config import LimitSettings
from trenova.domain import seal_check
from trenova.domain.dead_letters import RetryResult
from trenova.domain.same_content import has_same_content
from trenova.errors import (
    DatabaseFault,
    Forbidden,
    InvalidConfiguration,
    LedgerDamaged,
    NotFound,
    RowRejected,
    TrenovaError,
)
from trenova.ledger.hashing import SALT_BYTES
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.store import write_checks
from trenova.store.append import append
from trenova.store.pages import MAX_PAGE_BYTES
from trenova.store.pool import Pool
from trenova.store.records import Records
from trenova.store.rejected_rows import BODY, sift
from trenova.store.rows import ID, MAX_REASON, TENANT, Incoming, RejectedRow, incoming
from trenova.store.sql import sql

PARK, PARKED_AS, EDIT, DUE_NOW = sql("park"), sql("parked_as"), sql("edit_letter"), sql("letters_due_now")
DUE, STORED, REFUSED = sql("due_letters"), sql("letters_stored"), sql("letters_refused")
LETTERS, OF_BATCHES, PARKED = sql("letters"), sql("letters_of_batches"), sql("parked_letters")
RECEIPTS = sql("receipts")

# Before the first try; doubled after each, up to the longest. None is the last.
PAUSE, LONGEST_PAUSE = timedelta(minutes=5), timedelta(days=1)
# In place of a SQLSTATE: its id is in the log already, with another content.
DUPLICATE = "duplicate"
TAKEN = "another entry with this id is stored, and says something else"
# The entry is fine: its log is damaged, or the database refuses to mark the dead letter as stored.
DATABASE = "database"
# More than any body has: few letters are tried at once, so all that they are compared with can be read.
WHOLE_BODY = 2**40

Cursor = psycopg.AsyncCursor[Any]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A parked entry, or one that was parked."""

    id: uuid.UUID
    tenant: str | None
    entry_id: uuid.UUID | None
    batch_id: str
    ordinal: int
    body: bytes | None = field(repr=False)
    """None once it is stored."""
    edited: bool
    edited_by: str | None
    code: str
    """SQLSTATE of the last refusal, or a code of `domain.sealed`, or `duplicate`, or `database`."""
    reason: str = field(repr=False)
    attempts: int
    parked_at: datetime
    tried_at: datetime
    next_try_at: datetime
    stored_at: datetime | None


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
    """Needed to try again, not to read."""
    limits: LimitSettings = seal_check.DEFAULT_LIMITS
    """What the API lets in."""
    reads: Pool | None = None
    """For lists, where they have connections of their own."""

    async def page(
        self,
        *,
        tenant: str | None = None,
        parked: bool | None = True,
        before: uuid.UUID | None = None,
        limit: int,
        bodies: bool = True,
    ) -> list[DeadLetter]:
        """Newest first, from below the letter `before`. `parked`: those still parked, those stored since, or all.

        Without `bodies` all lack theirs. With them there may be fewer than `limit`: `pages.is_full` tells.
        """
        return await self._read(tenant=tenant, parked=parked, before=before, limit=limit, bodies=bodies)

    async def find(self, id_: uuid.UUID, *, tenant: str | None) -> DeadLetter:
        """Raises NotFound, also for a letter of another tenant than this."""
        found = await self._read(tenant=tenant, id=id_, limit=1)
        if not found:
            raise nothing()
        return found[0]

    async def of_batches(self, batch_ids: Sequence[str], *, tenant: str | None = None) -> list[Parked]:
        """What these batches have parked, also where it is stored since."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(OF_BATCHES, {"batch_ids": list(batch_ids), "tenant": tenant})
            return [
                Parked(batch_id=batch_id, tenant=owner, entry_id=entry_id, code=code, reason=reason)
                for batch_id, owner, entry_id, code, reason in await cursor.fetchall()
            ]

    async def edit(self, id_: uuid.UUID, *, tenant: str, entry_id: uuid.UUID, body: bytes, edited_by: str) -> None:
        """Put a sealed body in place of the parked one and make its next try due. Raises NotFound if none is parked.

        The same transaction records it: soon it is an entry `dead_letter.edit` of this tenant's log. Raises Forbidden
        unless `edited_by` is the id of a good admin key for this tenant, and the letter is of no other.
        """
        changed = {"id": id_, "tenant": tenant, "entry_id": entry_id, "body": body, "edited_by": edited_by}
        async with self.pool.cursor() as cursor:
            try:
                await cursor.execute(EDIT, changed)
            except InsufficientPrivilege as error:
                raise Forbidden(
                    "this API key may not make this edit, or the entry is not of its tenant",
                    note=f"the database refuses it: {error.diag.message_primary}",
                ) from None
            if await cursor.fetchone() != (True,):
                raise nothing()

    async def make_due(self, *, id_: uuid.UUID | None = None, tenant: str | None = None) -> int:
        """Have them tried by whoever retries next; gives how many."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(DUE_NOW, {"id": id_, "tenant": tenant})
            ((made,),) = await cursor.fetchall()
        count: int = made
        return count

    async def parked(self) -> tuple[int, datetime | None]:
        """How many entries are parked, and since when the oldest."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(PARKED)
            return await cursor.fetchone() or (0, None)

    async def retry(self, limit: int) -> RetryResult:
        """Try the letters that are due, at most so many. `tried` is 0 when none is due.

        All in one transaction, and where that fails in halves of them: one letter that the database refuses to settle,
        or whose log is damaged, keeps no other waiting. Dying before a commit leaves its letters due; dying after it
        leaves each stored, or with its next try later. The log tells of their edits first, in other transactions.
        """
        if self.signer is None:
            raise InvalidConfiguration(["nothing is appended without a signing key, and this program has none"])
        await Records(self.pool, self.signer).append_pending()
        return await self._retry(self.signer, limit)

    async def _retry(self, signer: LedgerSigner, limit: int, ids: Sequence[uuid.UUID] | None = None) -> RetryResult:
        """Try those that are due, of `ids` only where they are given."""
        letters: list[Sequence[Any]] = []
        try:
            async with self.pool.cursor() as cursor:
                letters = await due(cursor, limit, ids)
                return await self._store(cursor, signer, letters)
        except (LedgerDamaged, DatabaseFault, RowRejected) as error:
            if not letters:
                raise
            fault = error
        half = len(letters) // 2
        if not half:
            return await self._put_off(letters[0][0], fault)
        tried = [id_ for id_, _ in letters]
        return await self._retry(signer, limit, tried[:half]) + await self._retry(signer, limit, tried[half:])

    async def _store(self, cursor: Cursor, signer: LedgerSigner, letters: Sequence[Sequence[Any]]) -> RetryResult:
        if not letters:
            return RetryResult()
        bodies = [body for _, body in letters]
        read = partial(seal_check.read_sealed, rules=seal_check.Rules(limits=self.limits, now=datetime.now(UTC)))
        good, refused = await sift(cursor, incoming(bodies, os.urandom(SALT_BYTES * len(bodies)), read))
        batch_id = f"retry-{uuid_utils.compat.uuid7()}"
        await append(cursor, signer, batch_id, good)
        refused += await taken(cursor, batch_id, good)
        await self._note(cursor, [id_ for id_, _ in letters], good, refused)
        return RetryResult(tried=len(letters), stored=len(letters) - len(refused), parked=len(refused))

    async def _put_off(self, id_: uuid.UUID, error: TrenovaError) -> RetryResult:
        """Give a letter that cannot be stored for no fault of its own its next try, after the shortest pause."""
        log.error("dead letter not stored", letter=str(id_), error=error.message)
        async with self.pool.cursor() as cursor:
            if not await due(cursor, 1, [id_]):
                return RetryResult()  # another worker has tried it meanwhile
            changed = await refuse(cursor, [id_], [(DATABASE, error.message[:MAX_REASON])], longest=PAUSE)
            write_checks.check_letters(1, changed)
        return RetryResult(tried=1, parked=1)

    async def _note(
        self, cursor: Cursor, ids: Sequence[uuid.UUID], good: Incoming, refused: Sequence[RejectedRow]
    ) -> None:
        again = {each.ordinal for each in refused}
        stored = [row for row in (*good.rows, *good.repeats) if row[0] not in again]
        columns = {
            "ids": [ids[row[0]] for row in stored],
            "tenants": [row[TENANT] for row in stored],
            "entry_ids": [row[ID] for row in stored],
        }
        await cursor.execute(STORED, columns)
        changed = cursor.rowcount
        changed += await refuse(
            cursor, [ids[each.ordinal] for each in refused], [(each.code, each.reason) for each in refused]
        )
        write_checks.check_letters(len(ids), changed)

    async def _read(self, **wanted: Any) -> list[DeadLetter]:
        names = {"tenant": None, "before": None, "id": None, "parked": None, "bodies": True}
        async with (self.reads or self.pool).cursor() as cursor:
            await cursor.execute(LETTERS, names | {"max_bytes": MAX_PAGE_BYTES} | wanted)
            columns = [column.name for column in cursor.description or ()]
            return [DeadLetter(**dict(zip(columns, row, strict=True))) for row in await cursor.fetchall()]


async def due(cursor: Cursor, limit: int, ids: Sequence[uuid.UUID] | None) -> list[Sequence[Any]]:
    """Id and body of letters whose next try is due, locked."""
    await cursor.execute(DUE, {"limit": limit, "ids": None if ids is None else list(ids)})
    return await cursor.fetchall()


async def refuse(
    cursor: Cursor, ids: Sequence[uuid.UUID], refusals: Sequence[tuple[str, str]], longest: timedelta = LONGEST_PAUSE
) -> int:
    """Note code and reason of each letter that was refused once more; gives how many letters that changed."""
    columns = {
        "ids": ids,
        "codes": [code for code, _ in refusals],
        "reasons": [reason for _, reason in refusals],
        "pause": PAUSE,
        "longest": longest,
    }
    await cursor.execute(REFUSED, columns)
    return cursor.rowcount


async def park(cursor: Cursor, batch_id: str, refused: Sequence[RejectedRow]) -> None:
    """Keep the refused entries of a batch, in the transaction that stores the others.

    Raises LedgerDamaged where the database keeps anything else: then nothing of the transaction remains.
    """
    parked = {
        "batch_id": batch_id,
        "pause": PAUSE,
        "ids": [uuid_utils.compat.uuid7() for _ in refused],
        "tenants": [each.tenant for each in refused],
        "entry_ids": [each.id for each in refused],
        "ordinals": [each.ordinal for each in refused],
        "bodies": [each.body for each in refused],
        "codes": [each.code for each in refused],
        "reasons": [each.reason for each in refused],
    }
    await cursor.execute(PARK, parked)
    await cursor.execute(PARKED_AS, parked)
    write_checks.check_parked(batch_id, refused, dict(await cursor.fetchall()))


async def taken(cursor: Cursor, batch_id: str, batch: Incoming) -> list[RejectedRow]:
    """Those that are no duplicates, although their ids are in the log: what is there says something else.

    They stay parked. Calling them stored would drop what was accepted.
    """
    rows = [*batch.rows, *batch.repeats]
    asked = {
        "batch_ids": [batch_id],
        "tenants": [row[TENANT] for row in rows],
        "ids": [row[ID] for row in rows],
        "at_most": [WHOLE_BODY] * len(rows),
    }
    await cursor.execute(RECEIPTS, asked)
    stored = {(tenant, id_): body for tenant, id_, _, _, _, body, *_ in await cursor.fetchall()}
    return [
        RejectedRow(ordinal=row[0], tenant=row[TENANT], id=row[ID], body=row[BODY], code=DUPLICATE, reason=TAKEN)
        for row in rows
        for body in [stored[row[TENANT], row[ID]]]
        if body is not None and not has_same_content(body, row[BODY])
    ]


def nothing() -> NotFound:
    return NotFound("no parked entry with this id", hint="list them: trenova dead-letters list")
