"""Closed runs compared with the stored batches: which are missing, what was found, and where to go on."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from trenova.store.pool import Pool
from trenova.store.sql import sql

UNSTORED, LETTERS = sql("runs_without_batch"), sql("parked_places")
FIND, SETTLE, LOSE = sql("note_missing_run"), sql("settle_run"), sql("mark_run_lost")
OPEN, RECOVERED, RECONCILED = sql("missing_runs"), sql("recovered_runs"), sql("reconciliation_findings")
UNTIL, GO_ON = sql("reconciled_until"), sql("set_reconciled_until")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedRun:
    """A run of a batch's workflow that Temporal says is over."""

    run_id: str
    workflow_id: str
    ended_as: str
    """Temporal's word, lower case: `completed`, `terminated`, …"""
    closed_at: datetime
    reason: str | None = None
    """Why its batch could not be stored when it was tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Until:
    """How far the comparisons have come."""

    closed_until: datetime | None = None
    """By Temporal's clock."""
    since_all: timedelta | None = None
    """How long ago every run was compared; None: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What all comparisons together have found."""

    recovered_batches: int
    recovered_entries: int
    recovered_at: datetime | None
    missing: int
    """Batches that are not stored, and are tried again."""
    lost: int
    """Batches that were not stored when their histories vanished."""
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Reconciliation:
    pool: Pool

    async def find_unstored(self, runs: Sequence[ClosedRun], batch_ids: Sequence[str]) -> list[ClosedRun]:
        """Those of the runs that have left no note of storing their batch; `batch_ids` has the id for each."""
        asked = {
            "batch_ids": list(batch_ids),
            "run_ids": [run.run_id for run in runs],
            "completed": [run.ended_as == "completed" for run in runs],
        }
        async with self.pool.cursor() as cursor:
            await cursor.execute(UNSTORED, asked)
            return [runs[place - 1] for (place,) in await cursor.fetchall()]

    async def letters(self, batch_id: str) -> dict[int, tuple[uuid.UUID | None, bool]]:
        """By its place in the batch, the id of each entry that was parked, and whether somebody has edited it."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(LETTERS, {"batch_id": batch_id})
            return {ordinal: (entry_id, edited) for ordinal, entry_id, edited in await cursor.fetchall()}

    async def find(self, run: ClosedRun, reason: str | None) -> None:
        """Note the run, with the reason why its batch cannot be stored, or before it is."""
        noted = {
            "run_id": run.run_id,
            "workflow_id": run.workflow_id,
            "ended_as": run.ended_as,
            "closed_at": run.closed_at,
            "reason": reason,
        }
        async with self.pool.cursor() as cursor:
            await cursor.execute(FIND, noted)

    async def settle(self, run: ClosedRun, batch_ids: Sequence[str]) -> tuple[int, int]:
        """Nothing of the run is missing any more; gives how many of its entries were stored and parked, under these.

        Nothing for one that was settled before.
        """
        async with self.pool.cursor() as cursor:
            await cursor.execute(SETTLE, {"run_id": run.run_id, "batch_ids": list(batch_ids)})
            row = await cursor.fetchone()
        return (0, 0) if row is None else (row[0], row[1])

    async def lose(self, run: ClosedRun) -> None:
        async with self.pool.cursor() as cursor:
            await cursor.execute(LOSE, {"run_id": run.run_id})

    async def missing(self, limit: int) -> list[ClosedRun]:
        """Runs whose batches are still not stored, the oldest first."""
        return await self._runs(OPEN, limit=limit)

    async def list_recovered(self, since: datetime, limit: int) -> list[ClosedRun]:
        """Runs whose batches were stored from their histories since then, the latest first."""
        return await self._runs(RECOVERED, since=since, limit=limit)

    async def findings(self) -> Findings:
        async with self.pool.cursor() as cursor:
            await cursor.execute(RECONCILED)
            ((batches, entries, recovered_at, missing, lost, finished_at),) = await cursor.fetchall()
        return Findings(
            recovered_batches=batches,
            recovered_entries=entries,
            recovered_at=recovered_at,
            missing=missing,
            lost=lost,
            finished_at=finished_at,
        )

    async def until(self) -> Until:
        async with self.pool.cursor() as cursor:
            await cursor.execute(UNTIL)
            row = await cursor.fetchone()
        return Until() if row is None else Until(closed_until=row[0], since_all=row[1])

    async def go_on_from(self, closed_until: datetime | None, *, all_compared: bool) -> None:
        """The comparison has ended; the next begins at this time of closing."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(GO_ON, {"closed_until": closed_until, "all": all_compared})

    async def _runs(self, statement: str, **wanted: object) -> list[ClosedRun]:
        async with self.pool.cursor() as cursor:
            await cursor.execute(statement, wanted)
            return [
                ClosedRun(run_id=run_id, workflow_id=workflow_id, ended_as=ended_as, closed_at=closed_at, reason=reason)
                for run_id, workflow_id, ended_as, closed_at, reason in await cursor.fetchall()
            ]
