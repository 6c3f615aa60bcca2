"""Compares closed runs with the stored batches."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from temporalio import activity

from trenova.activities.failures import activity_failure
from trenova.domain.reconciliation import ReconciliationResult
from trenova.errors import TrenovaError


class RunReconciler(Protocol):
    """What the activity needs of the reconciler."""

    def run(self) -> AsyncGenerator[ReconciliationResult, None]: ...


@dataclass(frozen=True, slots=True)
class ReconciliationActivities:
    reconciler: RunReconciler

    @activity.defn(name="ReconcileBatches")
    async def reconcile(self) -> ReconciliationResult:
        """Store the batches of runs that closed without storing them. Idempotent: stored batches are skipped."""
        done = ReconciliationResult()
        try:
            async with aclosing(self.reconciler.run()) as steps:
                async for done in steps:
                    activity.heartbeat(done)
        except TrenovaError as error:
            raise activity_failure(error) from None
        return done
