"""Compares closed runs with the stored batches, with one query per page of runs, and stores what is missing."""

import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
import structlog
from temporalio.client import Client

from trenova.codec.batch_input import read_batch_input
from trenova.domain.batch import batch_label, is_api_batch
from trenova.domain.reconciliation import ReconciliationResult
from trenova.errors import Blocked, InvalidConfiguration, NotFound, StatementTimeout, TrenovaError, Unavailable
from trenova.reconciliation.runs import closed_runs, input_of
from trenova.store.entries import Entries
from trenova.store.reconciliation import ClosedRun, Reconciliation, Until

log = structlog.get_logger()

# Temporal lists a run some time after it closed, and not in the order of closing.
OVERLAP = timedelta(minutes=15)
# Runs that were listed even later are found by comparing all of them.
COMPARE_ALL_EVERY = timedelta(days=1)
# Runs that could not be stored before and are retried now. The others are retried when all runs are compared.
MAX_RETRIED_RUNS = 1_000
# Errors that concern one batch, while others can be stored.
SINGLE_BATCH_ERRORS = (StatementTimeout, Blocked)


class EntryId(msgspec.Struct, frozen=True):
    """The only field of an entry that is decoded here."""

    id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Reconciler:
    client: Client
    entries: Entries
    findings: Reconciliation
    overlap: timedelta = OVERLAP

    async def run(self, *, compare_all: bool = False) -> AsyncGenerator[ReconciliationResult, None]:
        """Compare, and store what is missing. Yields the counts so far, and at last with the time of the end.

        Without `compare_all` only runs that closed since the last comparison are compared, and once a day all of them.
        If we die, the next comparison begins where this one did. Raises Unavailable while a part is unreachable.
        """
        until = await self.findings.until()
        since = None if compare_all else compare_from(until, self.overlap)
        done, latest, tried = ReconciliationResult(), until.closed_until, set[str]()
        for run in await self.findings.missing(MAX_RETRIED_RUNS):
            tried.add(run.run_id)
            done = sum_of(done, await self.examine(run, again=True))
            yield done
        async with aclosing(closed_runs(self.client, since)) as pages:
            async for page in pages:
                latest = max([*(run.closed_at for run in page), *([latest] if latest else [])], default=None)
                for run in await self.findings.find_unstored(page, [batch_label(run.workflow_id) for run in page]):
                    if run.run_id not in tried:
                        done = sum_of(done, await self.examine(run))
                        yield done
                done = sum_of(done, ReconciliationResult(runs=len(page)))
                yield done
        await self.findings.set_until(latest, all_compared=since is None)
        yield msgspec.structs.replace(done, finished_at=datetime.now(UTC))

    async def examine(self, run: ClosedRun, *, again: bool = False) -> ReconciliationResult:
        """Store what is missing of one run. Its errors are noted and do not stop the others."""
        try:
            return await self.store(run, again=again)
        except NotFound:
            await self.findings.mark_lost(run)
            return ReconciliationResult()
        except SINGLE_BATCH_ERRORS as error:
            return await self.note_missing(run, error.message)
        except (Unavailable, InvalidConfiguration):
            raise
        except TrenovaError as error:
            return await self.note_missing(run, error.message)
        except Exception as error:
            log.exception("run not examined", run_id=run.run_id)
            return await self.note_missing(run, f"an unexpected error ({type(error).__name__})")

    async def store(self, run: ClosedRun, *, again: bool) -> ReconciliationResult:
        """Store the batch that the run was started with, as a worker does.

        If we die before or after the append, the run stays noted as missing; the next comparison stores the batch, or
        finds every entry stored, and settles it. The finding is never lost.
        """
        batch = await read_batch_input(self.client.data_converter, await input_of(self.client, run))
        batch_id = batch_label(run.workflow_id)
        bodies = [bytes(entry) for entry in batch.entries]
        parked_places = await self.findings.letters(batch_id) if bodies else {}
        # Parked entries of the batch, whoever parked them, occupy their places under its id.
        own_id = f"{batch_id}~{run.run_id}" if parked_places else batch_id
        missing = unparked_entries(bodies, parked_places)
        if parked_places and await self.findings.letters(own_id):
            missing = []  # an earlier comparison has stored or parked them
        if missing:
            await self.findings.note_missing(run, None)
            await self.entries.append(own_id, missing, run_id=run.run_id)
        elif not again:
            return ReconciliationResult()
        # Not the result of the append, which counts all runs of the batch.
        stored, parked = await self.findings.settle(run, [batch_id, own_id])
        if not stored + parked:
            return ReconciliationResult()
        fields = {"workflow_id": run.workflow_id, "run_id": run.run_id, "ended_as": run.ended_as}
        log.error("batch recovered", **fields, stored=stored, parked=parked)
        return ReconciliationResult(batches=1, stored=stored, parked=parked)

    async def note_missing(self, run: ClosedRun, reason: str) -> ReconciliationResult:
        """Note a batch of the API that cannot be stored now. Batches from elsewhere were never acknowledged."""
        log.error("batch not recovered", run_id=run.run_id, ended_as=run.ended_as, reason=reason)
        if not is_api_batch(run.workflow_id):
            return ReconciliationResult(foreign=1)
        await self.findings.note_missing(run, reason)
        return ReconciliationResult(missing=1)


def compare_from(until: Until, overlap: timedelta) -> datetime | None:
    """The closing time from which runs are compared; None for all runs."""
    if until.closed_until is None or until.since_all is None or until.since_all > COMPARE_ALL_EVERY:
        return None
    return min(until.closed_until, datetime.now(UTC)) - overlap


def unparked_entries(bodies: Sequence[bytes], parked_places: dict[int, tuple[uuid.UUID | None, bool]]) -> list[bytes]:
    """The entries that were not parked. A parked entry is matched by place and id, or by place alone once edited."""
    return [
        body
        for ordinal, body in enumerate(bodies)
        if ordinal not in parked_places
        or not (parked_places[ordinal][1] or parked_places[ordinal][0] == entry_id(body))
    ]


def entry_id(body: bytes) -> uuid.UUID | None:
    try:
        return msgspec.json.decode(body, type=EntryId).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def sum_of(one: ReconciliationResult, other: ReconciliationResult) -> ReconciliationResult:
    return ReconciliationResult(
        runs=one.runs + other.runs,
        batches=one.batches + other.batches,
        stored=one.stored + other.stored,
        parked=one.parked + other.parked,
        missing=one.missing + other.missing,
        foreign=one.foreign + other.foreign,
    )
