"""Checkpoints of ours that a witness has refused, or that a published file contradicts: as evidence, and as a state."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from trenova.store.pool import Pool
from trenova.store.sql import sql

REFUSE, REFUSED_NOW, COUNT = sql("refuse_checkpoint"), sql("refused_now"), sql("count_refused")
SETTLE = sql("settle_published")

FOLDER = "folder"
"""In place of a witness's id, which has a plus sign: the published files."""
MAX_ANSWER_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """What was refused and why. `place` is a witness's id or FOLDER, `status` that of the answer, 0 without one."""

    origin: str
    place: str
    size: int
    note: bytes
    reason: str
    status: int = 0
    answer: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenConflict:
    """A log that is refused now."""

    origin: str
    place: str
    size: int
    reason: str
    last_refused_at: datetime


@dataclass(frozen=True, slots=True)
class CheckpointConflicts:
    pool: Pool

    async def add(self, refusal: Conflict) -> None:
        """Keep the note and the beginning of the answer. The first 100 of a log and place are never written over."""
        columns = {
            "origin": refusal.origin,
            "place": refusal.place,
            "size": refusal.size,
            "note": refusal.note,
            "status": refusal.status,
            "answer": refusal.answer[:MAX_ANSWER_BYTES],
            # PostgreSQL has no such character in a text; what a witness answers may.
            "reason": refusal.reason.replace("\0", "�"),
        }
        async with self.pool.cursor() as cursor:
            await cursor.execute(REFUSE, columns)

    async def now(self, prefix: str, places: Sequence[str], *, limit: int) -> tuple[list[OpenConflict], int]:
        """The first logs that are refused now, and how many there are. `prefix` is what origins of ours begin with."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(REFUSED_NOW, {"prefix": prefix, "places": list(places), "limit": limit})
            found = await cursor.fetchall()
        refused = [
            OpenConflict(origin=origin, place=place, size=size, reason=reason, last_refused_at=at)
            for origin, place, size, reason, at, _ in found
        ]
        return refused, found[0][5] if found else 0

    async def count(self, prefix: str, places: Sequence[str]) -> dict[str, int]:
        """How many logs are refused now, by place; places without any are absent."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(COUNT, {"prefix": prefix, "places": list(places)})
            return dict(await cursor.fetchall())

    async def settle(self, origin: str, place: str) -> None:
        """End the refusals of a log whose checkpoint the place has taken again."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(SETTLE, {"origin": origin, "place": place})
