"""Reading what proofs are made of: checkpoints, tiles, and entries with their salts and commitments."""

import uuid
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import psycopg

from trenova.errors import LedgerDamaged, VerificationError
from trenova.ledger import checkpoint, prove, tiles
from trenova.ledger import note as notes
from trenova.ledger.hashing import split_hashes
from trenova.store import proofs
from trenova.store.pool import Pool
from trenova.store.proofs import Tiles
from trenova.store.sql import sql

NEWEST_CHECKPOINT, CHECKPOINT, TILES = sql("newest_checkpoint"), sql("checkpoint"), sql("tiles")
NEWEST_CHECKPOINTS = sql("newest_checkpoints")
COMMITMENTS, LEAVES, LEAF = sql("commitments"), sql("leaves"), sql("leaf")

# Entries read at a time: at 256 KiB each, the most that one can have, 64 MiB of memory.
PAGE = 256


class StoredCheckpoint(NamedTuple):
    """A checkpoint as it was signed. `note` is the C2SP signed note, `size` the number of entries it covers."""

    size: int
    note: bytes
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class Leaf:
    """An entry at its 0-based index in the ledger. Salt and body are None together, once they are removed."""

    index: int
    salt: bytes | None
    commitment: bytes
    body: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provable:
    """A ledger at its newest checkpoint, with the tiles that prove the requested entries."""

    tenant: str
    signed: StoredCheckpoint
    tiles: Tiles

    def inclusions(self, leaves: Mapping[int, bytes]) -> dict[int, tuple[bytes, ...]]:
        """The path, leaf→root, of each leaf (32-byte leaf hashes by index).

        Raises LedgerDamaged where a path would not hold.
        """
        try:
            head = checkpoint.parse(notes.parse(self.signed.note).text)
            return proofs.inclusions(leaves, head, self.tiles)
        except VerificationError as error:
            raise damage_error(self.tenant, error) from error


@dataclass(frozen=True, slots=True)
class Ledgers:
    """The ledgers as they are committed. What was read of one stays true: a ledger only grows."""

    pool: Pool

    async def newest(self, tenant: str) -> StoredCheckpoint | None:
        """The newest checkpoint; None for a ledger without entries, or one that no worker has signed yet."""
        return await self._checkpoint(NEWEST_CHECKPOINT, {"tenant": tenant})

    async def at(self, tenant: str, size: int) -> StoredCheckpoint | None:
        """The checkpoint at exactly this size; None where no append ended there."""
        return await self._checkpoint(CHECKPOINT, {"tenant": tenant, "size": size})

    async def tiles(self, tenant: str, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        """Joined 32-byte hashes by (level, index), as `ledger.tiles.node_reader` takes them; absent tiles are left out.

        A tile at the right edge may have more hashes than at the time of a checkpoint that was read before.
        """
        async with self.pool.cursor() as cursor:
            return (await read_tiles(cursor, {tenant: wanted}))[tenant]

    async def provable(self, entries: Mapping[str, Collection[int]]) -> dict[str, Provable]:
        """What proves these entries (indexes by tenant), in two statements for any number of ledgers and entries.

        A ledger that no worker has signed yet is absent.
        """
        async with self.pool.cursor() as cursor:
            await cursor.execute(NEWEST_CHECKPOINTS, {"tenants": list(entries)})
            signed = {tenant: StoredCheckpoint._make(columns) for tenant, *columns in await cursor.fetchall()}
            wanted = {tenant: proofs.needed_tiles(entries[tenant], head.size) for tenant, head in signed.items()}
            # The tiles may have grown since the checkpoint was read; the hashes that it covers stay in their places.
            stored = await read_tiles(cursor, wanted)
        return {tenant: Provable(tenant=tenant, signed=head, tiles=stored[tenant]) for tenant, head in signed.items()}

    async def consistency(self, tenant: str, old: int, new: int) -> tuple[bytes, ...]:
        """The proof that the ledger of size `new`, which it must have reached, continues that of size `old`."""
        spans = prove.consistency_spans(old, new)
        wanted = [(tile.level, tile.index) for tile in tiles.cover(prove.nodes(*spans), new)]
        try:
            return prove.hashes(spans, tiles.node_reader(await self.tiles(tenant, wanted)))
        except VerificationError as error:
            raise damage_error(tenant, error) from error

    async def commitments(self, tenant: str, first: int, count: int) -> list[bytes]:
        """The 32-byte commitments from `first` on, fewer than `count` at the end; 256 make an entry bundle."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(COMMITMENTS, {"tenant": tenant, "first": first, "end": first + count})
            ((joined,),) = await cursor.fetchall()
        return split_hashes(joined)

    async def leaves(self, tenant: str, first: int, count: int) -> AsyncIterator[Leaf]:
        """At most `count` entries from `first` on in the order of the ledger, read in pages.

        No connection is held between pages, so a reader may take its time.
        """
        end = first + count
        while first < end:
            async with self.pool.cursor() as cursor:
                await cursor.execute(LEAVES, {"tenant": tenant, "first": first, "end": min(end, first + PAGE)})
                page = [Leaf(*row) for row in await cursor.fetchall()]
            for leaf in page:
                yield leaf
            if len(page) < min(PAGE, end - first):
                return
            first += PAGE

    async def find(self, tenant: str, id_: uuid.UUID) -> Leaf | None:
        """The entry with this id, with what proves it."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(LEAF, {"tenant": tenant, "id": id_})
            row = await cursor.fetchone()
        return None if row is None else Leaf(*row)

    async def _checkpoint(self, query: str, parameters: dict[str, Any]) -> StoredCheckpoint | None:
        async with self.pool.cursor() as cursor:
            await cursor.execute(query, parameters)
            row = await cursor.fetchone()
        return None if row is None else StoredCheckpoint._make(row)


async def read_tiles(
    cursor: psycopg.AsyncCursor[Any], wanted: Mapping[str, Collection[tuple[int, int]]]
) -> dict[str, dict[tuple[int, int], bytes]]:
    """The tiles of each tenant by (level, index)."""
    places = [(tenant, level, index) for tenant, each in wanted.items() for level, index in each]
    parameters = {
        "tenants": [tenant for tenant, _, _ in places],
        "levels": [level for _, level, _ in places],
        "indexes": [index for _, _, index in places],
    }
    stored: dict[str, dict[tuple[int, int], bytes]] = {tenant: {} for tenant in wanted}
    await cursor.execute(TILES, parameters)
    for tenant, level, index, hashes in await cursor.fetchall():
        stored[tenant][level, index] = hashes
    return stored


def damage_error(tenant: str, error: VerificationError) -> LedgerDamaged:
    return LedgerDamaged(
        f"the ledger of {tenant} cannot be proved: {error.message}",
        hint="restore the named part from a backup; then check it: trenova verify --live",
    )
