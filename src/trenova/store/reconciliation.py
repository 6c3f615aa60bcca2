"""Closed workflow runs compared with the stored batches: which are missing, what was found, where to continue."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from psycopg.rows import class_row

from trenova.store.pool import Pool
from trenova.store.sql import sql

WITHOUT_BATCH, PARKED_PLACES = sql("runs_without_batch"), sql("parked_places")
NOTE_MISSING, SETTLE, MARK_LOST = sql("note_missing_run"), sql("settle_run"), sql("mark_run_lost")
MISSING, RECOVERED, FINDINGS = sql("missing_runs"), sql("recovered_runs"), sql("reconciliation_findings")
UNTIL, SET_UNTIL = sql("reconciled_until"), sql("set_reconciled_until")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedRun:
    """A run of a batch's workflow that Temporal reports as closed."""

    run_id: str
    workflow_id: str
    ended_as: str
    """Temporal's status in lower case: `completed`, `terminated`, …"""
    closed_at: datetime
    reason: str | None = None
    """Why the last attempt could not store its batch."""


class Until(NamedTuple):
    """How far closed runs have been compared."""

    closed_until: datetime | None = None
    """By Temporal's clock."""
    since_all: timedelta | None = None
    """How long ago all runs were compared; None for never."""


class Findings(NamedTuple):
    """What all comparisons together have found: the row of `reconciliation_findings.sql`."""

    recovered_batches: int
    recovered_entries: int
    recovered_at: datetime | None
    missing: int
    """Batches that are not stored, and are retried."""
    lost: int
    """Batches that were not stored when Temporal deleted their histories."""
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Reconciliation:
    pool: Pool

    async def find_unstored(self, runs: Sequence[ClosedRun], batch_ids: Sequence[str]) -> list[ClosedRun]:
        """The runs that have left no note of storing their batch; `batch_ids` has the id for each run."""
        parameters = {
            "batch_ids": list(batch_ids),
            "run_ids": [run.run_id for run in runs],
            "completed": [run.ended_as == "completed" for run in runs],
        }
        async with self.pool.cursor() as cursor:
            await cursor.execute(WITHOUT_BATCH, parameters)
            return [runs[place - 1] for (place,) in await cursor.fetchall()]

    async def letters(self, batch_id: str) -> dict[int, tuple[uuid.UUID | None, bool]]:
        """By its place in the batch, the id of each parked entry, and whether it was edited."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(PARKED_PLACES, {"batch_id": batch_id})
            return {ordinal: (entry_id, edited) for ordinal, entry_id, edited in await cursor.fetchall()}

    async def note_missing(self, run: ClosedRun, reason: str | None) -> None:
        """Note a run whose batch is missing, before it is stored or with the reason why it cannot be."""
        note = {
            "run_id": run.run_id,
            "workflow_id": run.workflow_id,
            "ended_as": run.ended_as,
            "closed_at": run.closed_at,
            "reason": reason,
        }
        async with self.pool.cursor() as cursor:
            await cursor.execute(NOTE_MISSING, note)

    async def settle(self, run: ClosedRun, batch_ids: Sequence[str]) -> tuple[int, int]:
        """Note that nothing of the run is missing. Returns how many of its entries these batches stored and parked.

        Returns zeros for a run that was settled before.
        """
        async with self.pool.cursor() as cursor:
            await cursor.execute(SETTLE, {"run_id": run.run_id, "batch_ids": list(batch_ids)})
            row = await cursor.fetchone()
        if row is None:
            return 0, 0
        stored, parked = row
        return stored, parked

    async def mark_lost(self, run: ClosedRun) -> None:
        """Note that Temporal no longer has the run, so that its batch cannot be recovered."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(MARK_LOST, {"run_id": run.run_id})

    async def missing(self, limit: int) -> list[ClosedRun]:
        """Runs whose batches are still not stored, oldest first."""
        return await self._runs(MISSING, limit=limit)

    async def list_recovered(self, since: datetime, limit: int) -> list[ClosedRun]:
        """Runs whose batches were stored from their histories since then, latest first."""
        return await self._runs(RECOVERED, since=since, limit=limit)

    async def findings(self) -> Findings:
        async with self.pool.cursor() as cursor:
            await cursor.execute(FINDINGS)
            (row,) = await cursor.fetchall()
        return Findings._make(row)

    async def until(self) -> Until:
        async with self.pool.cursor() as cursor:
            await cursor.execute(UNTIL)
            row = await cursor.fetchone()
        return Until() if row is None else Until._make(row)

    async def set_until(self, closed_until: datetime | None, *, all_compared: bool) -> None:
        """Note that a comparison has finished; the next one begins at this closing time."""
        async with self.pool.cursor() as cursor:
            await cursor.execute(SET_UNTIL, {"closed_until": closed_until, "all": all_compared})

    async def _runs(self, statement: str, **filters: object) -> list[ClosedRun]:
        async with self.pool.cursor() as cursor:
            cursor.row_factory = class_row(ClosedRun)
            await cursor.execute(statement, filters)
            return await cursor.fetchall()
