"""Reading what proofs are made of: checkpoints, tiles, and entries with their salts and commitments."""

import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trenova.store.pool import Pool
from trenova.store.sql import sql
from trenova.store.trees import split

NEWEST_CHECKPOINT, CHECKPOINT, TILES = sql("newest_checkpoint"), sql("checkpoint"), sql("tiles")
COMMITMENTS, LEAVES, LEAF = sql("commitments"), sql("leaves"), sql("leaf")

# Entries read at a time: at 256 KiB each, the most one can have, 64 MiB of memory.
PAGE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A checkpoint as it was signed. `note` is the C2SP signed note, `size` the number of entries it speaks of."""

    size: int
    note: bytes
    signed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """An entry at its 0-based place in the log. Salt and body are None together, once they are removed."""

    index: int
    salt: bytes | None
    commitment: bytes
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Logs:
    """The logs as they are committed. What was read of one stays true: a log only grows."""

    pool: Pool

    async def newest(self, tenant: str) -> Signed | None:
        """The newest checkpoint; None for a log without entries, or one that no worker has signed yet."""
        return await self._checkpoint(NEWEST_CHECKPOINT, {"tenant": tenant})

    async def at(self, tenant: str, size: int) -> Signed | None:
        """The checkpoint at just this size; None where no append ended there."""
        return await self._checkpoint(CHECKPOINT, {"tenant": tenant, "size": size})

    async def tiles(self, tenant: str, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        """Joined 32-byte hashes by (level, index), as `ledger.tiles.reader` takes them; absent ones are left out.

        A tile at the right edge may have more hashes than at the time of a checkpoint read before.
        """
        asked = {
            "tenant": tenant,
            "levels": [level for level, _ in wanted],
            "indexes": [index for _, index in wanted],
        }
        async with self.pool.cursor() as cursor:
            await cursor.execute(TILES, asked)
            return {(level, index): bytes(hashes) for level, index, hashes in await cursor.fetchall()}

    async def commitments(self, tenant: str, first: int, count: int) -> list[bytes]:
        """The 32-byte commitments from `first` on, fewer than `count` where the log ends: 256 make an entry bundle."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(COMMITMENTS, {"tenant": tenant, "first": first, "end": first + count})
            ((found,),) = await cursor.fetchall()
        return split(bytes(found))

    async def leaves(self, tenant: str, first: int, count: int) -> AsyncIterator[Leaf]:
        """The entries from `first` on in the order of the log, at most `count`, however many: read in pages.

        No connection is held between pages, so a reader may take its time.
        """
        end = first + count
        while first < end:
            async with self.pool.cursor() as cursor:
                await cursor.execute(LEAVES, {"tenant": tenant, "first": first, "end": min(end, first + PAGE)})
                page = await cursor.fetchall()
            for row in page:
                yield leaf(*row)
            if len(page) < min(PAGE, end - first):
                return
            first += PAGE

    async def find(self, tenant: str, id_: uuid.UUID) -> Leaf | None:
        """The place of the entry with this id, and what proves it."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(LEAF, {"tenant": tenant, "id": id_})
            row = await cursor.fetchone()
        return None if row is None else leaf(*row)

    async def _checkpoint(self, query: str, asked: dict[str, Any]) -> Signed | None:
        async with self.pool.cursor() as cursor:
            await cursor.execute(query, asked)
            row = await cursor.fetchone()
        return None if row is None else Signed(size=row[0], note=bytes(row[1]), signed_at=row[2])


def leaf(index: int, salt: bytes | None, commitment: bytes, body: bytes | None) -> Leaf:
    return Leaf(
        index=index,
        salt=None if salt is None else bytes(salt),
        commitment=bytes(commitment),
        body=None if body is None else bytes(body),
    )
