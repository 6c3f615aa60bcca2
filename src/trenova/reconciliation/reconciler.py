"""The comparison itself: page by page, one question to the database for each; what is missing is stored."""

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

# Temporal lists a run some time after it has closed, and not in the order of closing.
OVERLAP = timedelta(minutes=15)
# What was listed later still is found by comparing all of them.
COMPARE_ALL_EVERY = timedelta(days=1)
# Of those that could not be stored before. The others have their turn when all runs are compared.
MAX_RETRIED_RUNS = 1_000
# One batch's own trouble, while others go on.
SINGLE_BATCH_ERRORS = (StatementTimeout, Blocked)


class EntryId(msgspec.Struct, frozen=True):
    """The one part of an entry that is looked at here."""

    id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Reconciler:
    client: Client
    entries: Entries
    found: Reconciliation
    overlap: timedelta = OVERLAP

    async def run(self, *, compare_all: bool = False) -> AsyncGenerator[ReconciliationResult, None]:
        """Compare, and store what is missing. Gives the numbers so far now and then, and in the end with the time.

        Without `compare_all` only runs that closed since the last comparison, once a day all the same. Dying anywhere
        costs the comparison: the next begins where this one did. Raises Unavailable while a part is away.
        """
        until = await self.found.until()
        since = None if compare_all else compare_from(until, self.overlap)
        done, latest, tried = ReconciliationResult(), until.closed_until, set[str]()
        for run in await self.found.missing(MAX_RETRIED_RUNS):
            tried.add(run.run_id)
            done = sum_of(done, await self.examine(run, again=True))
            yield done
        async with aclosing(closed_runs(self.client, since)) as pages:
            async for page in pages:
                latest = max([*(run.closed_at for run in page), *([latest] if latest else [])], default=None)
                for run in await self.found.find_unstored(page, [batch_label(run.workflow_id) for run in page]):
                    if run.run_id not in tried:
                        done = sum_of(done, await self.examine(run))
                        yield done
                done = sum_of(done, ReconciliationResult(runs=len(page)))
                yield done
        await self.found.go_on_from(latest, all_compared=since is None)
        yield msgspec.structs.replace(done, finished_at=datetime.now(UTC))

    async def examine(self, run: ClosedRun, *, again: bool = False) -> ReconciliationResult:
        """Store what is missing of one run. Whatever is wrong with it is noted, and stops none of the others."""
        try:
            return await self.store(run, again=again)
        except NotFound:
            await self.found.lose(run)
            return ReconciliationResult()
        except SINGLE_BATCH_ERRORS as error:
            return await self.put_off(run, error.message)
        except (Unavailable, InvalidConfiguration):
            raise
        except TrenovaError as error:
            return await self.put_off(run, error.message)
        except Exception as error:
            log.exception("run not examined", run_id=run.run_id)
            return await self.put_off(run, f"an error that nobody foresaw ({type(error).__name__})")

    async def store(self, run: ClosedRun, *, again: bool) -> ReconciliationResult:
        """Store the batch that the run was started with, as a worker does.

        Dying before the append leaves a run that is noted as missing; dying behind it the same, and the next comparison
        finds every entry there and settles it. The finding is never lost.
        """
        batch = await read_batch_input(self.client.data_converter, await input_of(self.client, run))
        batch_id = batch_label(run.workflow_id)
        bodies = [bytes(entry) for entry in batch.entries]
        letters = await self.found.letters(batch_id) if bodies else {}
        # Where there are letters, whoever wrote them, their places are taken.
        own_id = f"{batch_id}~{run.run_id}" if letters else batch_id
        missing = unparked_entries(bodies, letters)
        if letters and await self.found.letters(own_id):
            missing = []  # an earlier comparison has parked and stored them
        if missing:
            await self.found.find(run, None)
            await self.entries.append(own_id, missing, run_id=run.run_id)
        elif not again:
            return ReconciliationResult()
        # Not what the append says: that is the sum over all runs of the batch.
        stored, parked = await self.found.settle(run, [batch_id, own_id])
        if not stored + parked:
            return ReconciliationResult()
        named = {"workflow_id": run.workflow_id, "run_id": run.run_id, "ended_as": run.ended_as}
        log.error("batch recovered", **named, stored=stored, parked=parked)
        return ReconciliationResult(batches=1, stored=stored, parked=parked)

    async def put_off(self, run: ClosedRun, reason: str) -> ReconciliationResult:
        """Note a batch that the API has accepted and that cannot be stored now. Of others nobody was told anything."""
        log.error("batch not recovered", run_id=run.run_id, ended_as=run.ended_as, reason=reason)
        if not is_api_batch(run.workflow_id):
            return ReconciliationResult(foreign=1)
        await self.found.find(run, reason)
        return ReconciliationResult(missing=1)


def compare_from(until: Until, overlap: timedelta) -> datetime | None:
    """From which time of closing on runs are compared; None for all of them."""
    if until.closed_until is None or until.since_all is None or until.since_all > COMPARE_ALL_EVERY:
        return None
    return min(until.closed_until, datetime.now(UTC)) - overlap


def unparked_entries(bodies: Sequence[bytes], letters: dict[int, tuple[uuid.UUID | None, bool]]) -> list[bytes]:
    """The entries of a batch that were not parked. A letter speaks for its entry by place and id, or once edited."""
    return [
        body
        for ordinal, body in enumerate(bodies)
        if ordinal not in letters or not (letters[ordinal][1] or letters[ordinal][0] == entry_id(body))
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
