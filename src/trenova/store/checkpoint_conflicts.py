"""Conflicts: checkpoints of ours that a witness declined, or that a published file contradicts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from trenova.store.pool import Pool
from trenova.store.sql import sql

ADD, OPEN, COUNT = sql("add_conflict"), sql("open_conflicts"), sql("count_conflicts")
SETTLE = sql("settle_conflict")

FOLDER = "folder"
"""The published files, in place of a witness's id. Such an id has a plus sign."""
MAX_ANSWER_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A checkpoint that was declined, and why.

    `place` is a witness's id or FOLDER; `status` is that of the witness's HTTP answer, 0 without one.
    """

    origin: str
    place: str
    size: int
    note: bytes
    reason: str
    status: int = 0
    answer: bytes = b""


class OpenConflict(NamedTuple):
    """The newest conflict of a ledger that is not settled: a row of `open_conflicts.sql`."""

    origin: str
    place: str
    size: int
    reason: str
    last_refused_at: datetime
    total: int
    """How many open conflicts there are in all."""


@dataclass(frozen=True, slots=True)
class CheckpointConflicts:
    pool: Pool

    async def add(self, conflict: Conflict) -> None:
        """Store the note and the beginning of the answer. The first 100 of a ledger and place are never overwritten."""
        columns = {
            "origin": conflict.origin,
            "place": conflict.place,
            "size": conflict.size,
            "note": conflict.note,
            "status": conflict.status,
            "answer": conflict.answer[:MAX_ANSWER_BYTES],
            # A witness may answer with this character, which PostgreSQL cannot store in a text.
            "reason": conflict.reason.replace("\0", "�"),
        }
        async with self.pool.cursor() as cursor:
            await cursor.execute(ADD, columns)

    async def list_open(self, prefix: str, places: Sequence[str], *, limit: int) -> tuple[list[OpenConflict], int]:
        """The first open conflicts, and how many there are. `prefix` is what the origins of our ledgers begin with."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(OPEN, {"prefix": prefix, "places": list(places), "limit": limit})
            conflicts = [OpenConflict._make(row) for row in await cursor.fetchall()]
        return conflicts, conflicts[0].total if conflicts else 0

    async def count(self, prefix: str, places: Sequence[str]) -> dict[str, int]:
        """How many ledgers have an open conflict, by place; places without any are absent."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(COUNT, {"prefix": prefix, "places": list(places)})
            return dict(await cursor.fetchall())

    async def settle(self, origin: str, place: str) -> None:
        """Settle the conflicts of a ledger whose checkpoint the place has accepted again."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(SETTLE, {"origin": origin, "place": place})
