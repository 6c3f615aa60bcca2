"""A ledger of any size with one stored entry, and only the tiles that prove it.

All other nodes are random hashes, so that no hash can stand in for another one; the root is that of RFC 6962 over them.
"""

import hashlib
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from contract.store.ledger_check import past_triggers
from examples import RECEIVED_AT, SIGNER, body
from trenova.ledger import hashing

Owner = psycopg.AsyncConnection[tuple[Any, ...]]
SALT = bytes(range(16))


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseLedger:
    tenant: str
    size: int
    index: int
    id: uuid.UUID
    body: bytes

    @property
    def commitment(self) -> bytes:
        return hashing.commitment(SALT, self.body)

    def stored_hash(self, level: int, position: int) -> bytes:
        """The hash at `position` in row `level` of the tiles."""
        if self.index >> 8 * level != position:
            return hashlib.sha256(f"{self.tenant} {level} {position}".encode()).digest()
        if level == 0:
            return hashing.leaf(self.commitment)
        return self.root(position << 8 * level, (position + 1) << 8 * level, below=level)

    def root(self, start: int, end: int, *, below: int = 64) -> bytes:
        """The root over the leaves from `start` up to `end`, from stored hashes of rows under `below`."""
        size = end - start
        level, odd = divmod(size.bit_length() - 1, 8)
        if size.bit_count() == 1 and odd == 0 and level < below:
            return self.stored_hash(level, start >> 8 * level)
        half = 1 << (size - 1).bit_length() - 1
        return hashing.node(self.root(start, start + half, below=below), self.root(start + half, end, below=below))

    def tiles(self) -> dict[tuple[int, int], bytes]:
        """The tiles above the entry, and those at the right edge."""
        found = {}
        for level in range(-(-self.size.bit_length() // 8)):
            width = self.size >> 8 * level
            for index in {self.index >> 8 * (level + 1), width // 256}:
                positions = range(index * 256, min(width, index * 256 + 256))
                if positions:
                    found[level, index] = b"".join(self.stored_hash(level, position) for position in positions)
        return found


@asynccontextmanager
async def sparse_ledger(owner: Owner, tenant: str, *, size: int, index: int) -> AsyncIterator[SparseLedger]:
    """Store such a ledger until the block ends: verifying all ledgers later would report its missing entries."""
    yield await plant(owner, tenant, size=size, index=index)
    for table in ("entries", "tiles", "checkpoints", "heads"):
        await past_triggers(owner, f"DELETE FROM {table} WHERE tenant = %s", tenant)


async def plant(owner: Owner, tenant: str, *, size: int, index: int) -> SparseLedger:
    id_ = uuid.uuid4()
    log = SparseLedger(tenant=tenant, size=size, index=index, id=id_, body=body(tenant, id=str(id_)))
    await owner.execute("INSERT INTO heads VALUES (%s, %s, %s)", [tenant, size, bytes(32 * size.bit_count())])
    note = SIGNER.sign(tenant, size=size, root=log.root(0, size))
    await owner.execute("INSERT INTO checkpoints (tenant, size, note) VALUES (%s, %s, %s)", [tenant, size, note])
    for (level, number), hashes in log.tiles().items():
        await owner.execute("INSERT INTO tiles VALUES (%s, %s, %s, %s)", [tenant, level, number, hashes])
    columns = "tenant, id, index, occurred_at, received_at, actor_type, actor_id, action, target_type, target_id"
    await owner.execute(
        f"INSERT INTO entries ({columns}, outcome, salt, commitment, body)"
        " VALUES (%s, %s, %s, %s, %s, 'user', 'u-1', 'a', 'shipment', 's-1', 'success', %s, %s, %s)",
        [tenant, id_, index, RECEIVED_AT, RECEIVED_AT, SALT, log.commitment, log.body],
    )
    return log
