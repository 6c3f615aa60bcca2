"""Cosignatures of the checkpoints: which are still missing, and notes with the lines of witnesses."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from trenova.ledger import note as notes
from trenova.store.pool import Pool
from trenova.store.sql import sql

UNCOSIGNED, COSIGNED, ADD = sql("uncosigned"), sql("cosigned"), sql("add_cosignature")
HEADS_TO_PUBLISH, SETTLE_COSIGNED, BEHIND = sql("heads_to_publish"), sql("settle_cosigned"), sql("count_behind")
LOCK_WITNESS = sql("witness_lock")


@dataclass(frozen=True, slots=True, kw_only=True)
class CosignatureGap:
    """A ledger's newest checkpoint (`size` entries, signed `note`) and the last size that the witness has cosigned."""

    tenant: str
    size: int
    note: bytes
    cosigned: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosignature:
    """A witness's verified line on the text of a checkpoint of `origin`. `witness` is `<name>+<id>` of its key."""

    origin: str
    witness: str
    size: int
    text: str
    line: str
    cosigned_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadToPublish:
    """The head of a ledger, the hash of its checkpoint's text there, and how many witnesses have cosigned that text."""

    tenant: str
    size: int
    text_hash: bytes | None
    """None where there is no checkpoint."""
    cosignatures: int


@dataclass(frozen=True, slots=True)
class Cosignatures:
    pool: Pool

    async def cosigned_note(self, tenant: str, size: int) -> bytes | None:
        """The signed note of the checkpoint at this size with the cosignatures of its text; None if there is none.

        Raises VerificationError where what is stored is not a note.
        """
        async with self.pool.cursor() as cursor:
            await cursor.execute(COSIGNED, {"tenant": tenant, "size": size})
            row = await cursor.fetchone()
        if row is None:
            return None
        note, lines = row
        return with_lines(note, lines)

    async def find_gaps(self, prefix: str, witness: str, *, after: str, limit: int) -> list[CosignatureGap]:
        """Ledgers whose newest checkpoint the witness has not cosigned, sorted by tenant, starting after `after`.

        `prefix` is what the origins of our ledgers begin with.
        """
        parameters = {"prefix": prefix, "witness": witness, "after": after, "limit": limit}
        async with self.pool.cursor() as cursor:
            await cursor.execute(UNCOSIGNED, parameters)
            return [
                CosignatureGap(tenant=tenant, size=size, note=bytes(note), cosigned=cosigned)
                for tenant, size, note, cosigned in await cursor.fetchall()
            ]

    async def add(self, cosignature: Cosignature) -> None:
        """Store a verified cosignature. A second one of the same witness on the same checkpoint is dropped."""
        columns = {
            "origin": cosignature.origin,
            "witness": cosignature.witness,
            "size": cosignature.size,
            "text_hash": sha256(cosignature.text.encode()).digest(),
            "line": cosignature.line,
            "cosigned_at": cosignature.cosigned_at,
        }
        async with self.pool.cursor() as cursor:
            await cursor.execute(ADD, columns)

    async def heads(self, prefix: str, *, after: str, limit: int) -> list[HeadToPublish]:
        """Ledgers with entries, sorted by tenant, starting after the tenant `after`."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(HEADS_TO_PUBLISH, {"prefix": prefix, "after": after, "limit": limit})
            return [
                HeadToPublish(
                    tenant=tenant,
                    size=size,
                    text_hash=None if text_hash is None else bytes(text_hash),
                    cosignatures=cosignatures,
                )
                for tenant, size, text_hash, cosignatures in await cursor.fetchall()
            ]

    async def behind(self, witness: str, late: timedelta) -> tuple[int, datetime | None]:
        """How many ledgers have a newest checkpoint that the witness has not cosigned for this long, and since when."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(BEHIND, {"witness": witness, "seconds": late.total_seconds()})
            ((count, since),) = await cursor.fetchall()
        return count, since

    async def settle(self, prefix: str, witness: str) -> None:
        """Settle the conflicts of ledgers that are again as the witness has cosigned them."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(SETTLE_COSIGNED, {"prefix": prefix, "witness": witness})

    @asynccontextmanager
    async def alone(self, witness: str) -> AsyncIterator[bool]:
        """Whether this process alone talks to the witness until the block ends. Holds a connection.

        This spares the witness the same request from every worker; two at once would do no harm.
        """
        async with self.pool.cursor() as cursor:
            await cursor.execute(LOCK_WITNESS, {"witness": witness})
            ((is_alone,),) = await cursor.fetchall()
            yield is_alone


def with_lines(note: bytes, lines: Sequence[str]) -> bytes:
    """The note with those of the lines appended that it does not have yet."""
    present = {(line.name, line.key_id) for line in notes.parse(note).signatures}
    more = notes.parse(b"\n\n" + "".join(lines).encode()).signatures if lines else ()
    fresh = (line for line in more if (line.name, line.key_id) not in present)
    return note + "".join(line.line for line in fresh).encode()
