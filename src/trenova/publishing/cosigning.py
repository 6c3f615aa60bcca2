"""Submitting the newest checkpoint of each ledger to a witness, with proof that it continues the last cosigned one."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import structlog

from trenova.errors import CheckpointConflict, Unavailable, VerificationError, WitnessUnavailable
from trenova.ledger import checkpoint, prove, tiles
from trenova.ledger import note as notes
from trenova.ledger.add_checkpoint import AddCheckpointRequest
from trenova.ledger.note import Signature
from trenova.publishing.witnesses import SizeConflict, WitnessClient, request_cosignature
from trenova.store import Store
from trenova.store.checkpoint_conflicts import Conflict
from trenova.store.cosignatures import Cosignature, CosignatureGap

log = structlog.get_logger()

PAGE = 100  # ledgers read at a time
MAX_CONCURRENT_REQUESTS = 4  # requests to one witness, and so at most as many connections to the database
# With the size that we know, with the size that the witness answers, and once more if another worker came between.
MAX_ATTEMPTS = 3
FIRST_BACKOFF_S, MAX_DECLINED_BACKOFF_S = 10, 3600  # of a ledger that the witness declined
MAX_FAILED_BACKOFF_S = 300  # of a ledger for which the witness failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """No request for a ledger until `until` (by the clock), which was `seconds` after the last failure."""

    until: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessPublisher:
    """Submits checkpoints to one witness. `prefix` is the beginning of the origins of our ledgers."""

    witness: WitnessClient
    prefix: str
    store: Store
    http: httpx.AsyncClient
    clock: Callable[[], float] = time.monotonic
    backoffs: dict[str, Backoff] = field(default_factory=dict)
    """Ledgers, by tenant, that must not be submitted yet."""

    async def run_round(self) -> None:
        """Submit every newest checkpoint that it has not cosigned. Raises Unavailable when a part is unreachable.

        A ledger that it declines does not stop the others: the conflict is logged and stored, and the ledger is retried
        after growing pauses.
        """
        async with self.store.cosignatures.alone(self.witness.id) as alone:
            after: str | None = "" if alone else None
            while after is not None:
                after = await self.submit_page(after)
            if alone:
                await self.store.cosignatures.settle(self.prefix, self.witness.id)

    async def submit_page(self, after: str) -> str | None:
        """Submit the next ledgers after the tenant `after`. Returns the last tenant, or None if there are no more."""
        page = await self.store.cosignatures.find_gaps(self.prefix, self.witness.id, after=after, limit=PAGE)
        waiting = [each for each in page if not self.is_backing_off(each.tenant)]
        for start in range(0, len(waiting), MAX_CONCURRENT_REQUESTS):
            await self.submit_concurrently(waiting[start : start + MAX_CONCURRENT_REQUESTS])
        return page[-1].tenant if len(page) == PAGE else None

    async def submit_concurrently(self, logs: Sequence[CosignatureGap]) -> None:
        """Submit several at once. Raises Unavailable if a part is unreachable or the witness fails for all of them."""
        errors = await asyncio.gather(*(self.submit(each) for each in logs), return_exceptions=True)
        failed = [(each, error) for each, error in zip(logs, errors, strict=True) if error is not None]
        for each, error in failed:
            match error:
                case WitnessUnavailable():
                    # Back off, so that the next round gets past this ledger.
                    self.back_off(each, MAX_FAILED_BACKOFF_S)
                    log.warning("witness fails", **self.log_fields(each), reason=error.message)
                case Exception() if not isinstance(error, Unavailable):
                    # An unexpected error must be logged, and must not stop the other ledgers.
                    self.back_off(each, MAX_DECLINED_BACKOFF_S)
                    log.error("witness request failed", **self.log_fields(each), exc_info=error)
                case _:
                    raise error
        if len(failed) == len(logs) and isinstance(failed[0][1], WitnessUnavailable):
            raise failed[0][1]

    async def submit(self, uncosigned: CosignatureGap) -> None:
        try:
            origin = checkpoint.origin(self.prefix, uncosigned.tenant)
            if not uncosigned.note.startswith(f"{origin}\n".encode()):
                return  # signed under another origin; a worker that starts will sign it again
            line = await self.cosign(uncosigned)
        except VerificationError as error:
            await self.record_conflict(uncosigned, error)
            return
        if line is None:
            return
        # Dying here, or before the answer arrives: the witness has cosigned and we do not know. The next round starts
        # at an old size, gets the current one as the answer, and then the cosignature with a proof from there.
        await self.store.cosignatures.add(
            Cosignature(
                origin=origin,
                witness=self.witness.id,
                size=uncosigned.size,
                text=notes.parse(uncosigned.note).text,
                line=line.line,
                cosigned_at=datetime.fromtimestamp(line.timestamp, UTC),
            )
        )
        self.backoffs.pop(uncosigned.tenant, None)

    async def cosign(self, uncosigned: CosignatureGap) -> Signature | None:
        """The witness's line; None if it has cosigned a newer checkpoint. Raises VerificationError if it declines.

        A ledger that was rolled back, or has another tree of the cosigned size, is submitted too: the witness's answer
        is evidence.
        """
        old = min(uncosigned.cosigned, uncosigned.size)
        for _ in range(MAX_ATTEMPTS):
            path = await self.read_proof(uncosigned.tenant, old, uncosigned.size)
            answer = await request_cosignature(
                self.http, self.witness, AddCheckpointRequest(old=old, path=path, note=uncosigned.note)
            )
            if isinstance(answer, Signature):
                return answer
            if answer.size is None or answer.size == old:
                raise conflict_error(f"it has cosigned another tree of size {old}", answer)
            if answer.size > uncosigned.size:
                await self.check_overtaken(uncosigned, answer, answer.size)
                return None
            old = answer.size
        raise VerificationError(f"it expects another size each time, last {old}")

    async def check_overtaken(self, uncosigned: CosignatureGap, answer: SizeConflict, size: int) -> None:
        """Raise CheckpointConflict unless our ledger has reached this size by now, stored by another worker."""
        newest = await self.store.ledgers.newest(uncosigned.tenant)
        if newest is None or newest.size < size:
            raise conflict_error(
                f"it has cosigned size {size}, which this ledger has not reached: entries are missing", answer
            )

    async def read_proof(self, tenant: str, old: int, size: int) -> tuple[bytes, ...]:
        """The consistency proof between the two sizes."""
        spans = prove.consistency_spans(old, size)
        addresses = [(tile.level, tile.index) for tile in tiles.cover(prove.nodes(*spans), size)]
        return prove.hashes(spans, tiles.node_reader(await self.store.ledgers.tiles(tenant, addresses)))

    def is_backing_off(self, tenant: str) -> bool:
        return tenant in self.backoffs and self.clock() < self.backoffs[tenant].until

    def back_off(self, uncosigned: CosignatureGap, longest_s: float) -> None:
        """Pause this ledger for twice as long as the last time."""
        last = self.backoffs.get(uncosigned.tenant)
        seconds = FIRST_BACKOFF_S if last is None else min(2 * last.seconds, longest_s)
        self.backoffs[uncosigned.tenant] = Backoff(until=self.clock() + seconds, seconds=seconds)

    async def record_conflict(self, uncosigned: CosignatureGap, error: VerificationError) -> None:
        """Log that the witness declined this ledger, and store what it declined and what it answered."""
        self.back_off(uncosigned, MAX_DECLINED_BACKOFF_S)
        log.error("witness declined", **self.log_fields(uncosigned), reason=error.message)
        status, answer = (error.status, error.answer) if isinstance(error, CheckpointConflict) else (0, b"")
        # Dying here leaves the log line and no row: the next round submits again.
        await self.store.checkpoint_conflicts.add(
            Conflict(
                origin=f"{self.prefix}/{uncosigned.tenant}",
                place=self.witness.id,
                size=uncosigned.size,
                note=uncosigned.note,
                reason=error.message,
                status=status,
                answer=answer,
            )
        )

    def log_fields(self, uncosigned: CosignatureGap) -> dict[str, str | int | float]:
        return {
            "witness": self.witness.key.name,
            "tenant": uncosigned.tenant,
            "size": uncosigned.size,
            "cosigned_size": uncosigned.cosigned,
            "again_in_s": self.backoffs[uncosigned.tenant].seconds,
        }


def conflict_error(message: str, answer: SizeConflict) -> CheckpointConflict:
    return CheckpointConflict(message, status=answer.status, answer=answer.answer)
