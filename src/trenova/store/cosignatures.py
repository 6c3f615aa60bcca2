"""What witnesses have said of the checkpoints: which are still to be shown to them, and notes with their lines."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from trenova.ledger import note as notes
from trenova.store.pool import Pool
from trenova.store.sql import sql

UNCOSIGNED, COSIGNED, ADD = sql("uncosigned"), sql("cosigned"), sql("add_cosignature")
HEADS_TO_PUBLISH, SETTLE_COSIGNED, BEHIND = sql("heads_to_publish"), sql("settle_cosigned"), sql("behind_witness")
# The lock is gone with its transaction, so also with a process that dies.
ALONE = "SELECT pg_try_advisory_xact_lock(hashtextextended('trenova/witness/' || %(witness)s, 0))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncosigned:
    """A log's newest checkpoint (`size` entries, signed `note`) and the last size that the witness has cosigned."""

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
    """How far a log has come: its size, what its checkpoint says there, and how many witnesses have cosigned that."""

    tenant: str
    size: int
    text_hash: bytes | None
    """None where there is no checkpoint."""
    cosignatures: int


@dataclass(frozen=True, slots=True)
class Cosignatures:
    pool: Pool

    async def cosigned(self, tenant: str, size: int) -> bytes | None:
        """The signed note of the checkpoint at this size with the cosignatures of its very text; None if there is none.

        Raises VerificationError where what is stored is no note.
        """
        async with self.pool.cursor() as cursor:
            await cursor.execute(COSIGNED, {"tenant": tenant, "size": size})
            row = await cursor.fetchone()
        return None if row is None else with_lines(bytes(row[0]), row[1])

    async def uncosigned(self, prefix: str, witness: str, *, after: str, limit: int) -> list[Uncosigned]:
        """Logs whose newest checkpoint the witness has not cosigned as it is, sorted by tenant, behind `after`.

        `prefix` is what the origins of our logs begin with.
        """
        asked = {"prefix": prefix, "witness": witness, "after": after, "limit": limit}
        async with self.pool.cursor() as cursor:
            await cursor.execute(UNCOSIGNED, asked)
            return [
                Uncosigned(tenant=tenant, size=size, note=bytes(note), cosigned=cosigned)
                for tenant, size, note, cosigned in await cursor.fetchall()
            ]

    async def add(self, found: Cosignature) -> None:
        """Keep a cosignature that was verified. A second one of the same witness on the same checkpoint is let go."""
        columns = {
            "origin": found.origin,
            "witness": found.witness,
            "size": found.size,
            "text_hash": sha256(found.text.encode()).digest(),
            "line": found.line,
            "cosigned_at": found.cosigned_at,
        }
        async with self.pool.cursor() as cursor:
            await cursor.execute(ADD, columns)

    async def heads(self, prefix: str, *, after: str, limit: int) -> list[HeadToPublish]:
        """Logs with entries, sorted by tenant, behind the tenant `after`."""
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
        """How many logs have a newest checkpoint that the witness has not cosigned for this long, and since when."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(BEHIND, {"witness": witness, "seconds": late.total_seconds()})
            ((count, since),) = await cursor.fetchall()
        return count, since

    async def settle(self, prefix: str, witness: str) -> None:
        """End the refusals of logs that are again as the witness has cosigned them."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(SETTLE_COSIGNED, {"prefix": prefix, "witness": witness})

    @asynccontextmanager
    async def alone(self, witness: str) -> AsyncIterator[bool]:
        """Whether nobody else speaks with this witness until the block ends. Holds a connection, and reads nothing.

        It only spares the witness the same request from every worker: two that got in at once would do no harm.
        """
        async with self.pool.cursor() as cursor:
            await cursor.execute(ALONE, {"witness": witness})
            ((alone,),) = await cursor.fetchall()
            yield alone


def with_lines(note: bytes, lines: Sequence[str]) -> bytes:
    """The note with those lines below that it has not got already."""
    there = {(line.name, line.key_id) for line in notes.parse(note).signatures}
    more = notes.parse(b"\n\n" + "".join(lines).encode()).signatures if lines else ()
    fresh = (line for line in more if (line.name, line.key_id) not in there)
    return note + "".join(line.line for line in fresh).encode()
