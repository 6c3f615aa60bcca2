"""Bringing the newest checkpoint of each log to a witness, from the last that it has cosigned."""

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
from trenova.store.cosignatures import Cosignature, Uncosigned

log = structlog.get_logger()

PAGE = 100  # logs read at a time
MAX_CONCURRENT_REQUESTS = 4  # requests to one witness, and so at most as many connections to the database
MAX_ATTEMPTS = 3  # the size we know, the one that the witness tells us, and once more if another worker came between
FIRST_BACKOFF_S, MAX_DECLINED_BACKOFF_S = 10, 3600  # of a log that a witness refused
MAX_FAILED_BACKOFF_S = 300  # of one that it could not answer for


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """A log is left alone until `until` (of the clock), which was `seconds` from the refusal."""

    until: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessPublisher:
    """All that one witness is asked. `prefix` is what the origins of our logs begin with."""

    witness: WitnessClient
    prefix: str
    store: Store
    http: httpx.AsyncClient
    clock: Callable[[], float] = time.monotonic
    resting: dict[str, Backoff] = field(default_factory=dict)
    """By tenant, the logs that are not to be asked about yet."""

    async def look(self) -> None:
        """Bring it every newest checkpoint that it has not cosigned. Raises Unavailable when a part is away.

        A log that it refuses does not stop the others: it is logged and kept, and tried again after growing pauses.
        """
        async with self.store.cosignatures.alone(self.witness.id) as alone:
            after: str | None = "" if alone else None
            while after is not None:
                after = await self.bring_page(after)
            if alone:
                await self.store.cosignatures.settle(self.prefix, self.witness.id)

    async def bring_page(self, after: str) -> str | None:
        """Bring the next logs behind the tenant `after`; the last of them, or None when there are no more."""
        page = await self.store.cosignatures.uncosigned(self.prefix, self.witness.id, after=after, limit=PAGE)
        waiting = [each for each in page if not self.rests(each.tenant)]
        for start in range(0, len(waiting), MAX_CONCURRENT_REQUESTS):
            await self.bring_together(waiting[start : start + MAX_CONCURRENT_REQUESTS])
        return page[-1].tenant if len(page) == PAGE else None

    async def bring_together(self, logs: Sequence[Uncosigned]) -> None:
        """Bring some at once. Raises Unavailable when a part is away, or the witness fails for all of them."""
        errors = await asyncio.gather(*(self.bring(each) for each in logs), return_exceptions=True)
        failed = [(each, error) for each, error in zip(logs, errors, strict=True) if error is not None]
        for each, error in failed:
            match error:
                case WitnessUnavailable():
                    # It rests, so that the next look gets past it, whoever else waits.
                    self.rest(each, MAX_FAILED_BACKOFF_S)
                    log.warning("witness fails", **self.log_fields(each), reason=error.message)
                case Exception() if not isinstance(error, Unavailable):
                    # What nobody has foreseen must be seen, and must not stop the other logs.
                    self.rest(each, MAX_DECLINED_BACKOFF_S)
                    log.error("witness not asked", **self.log_fields(each), exc_info=error)
                case _:
                    raise error
        if len(failed) == len(logs) and isinstance(failed[0][1], WitnessUnavailable):
            raise failed[0][1]

    async def bring(self, behind: Uncosigned) -> None:
        try:
            origin = checkpoint.origin(self.prefix, behind.tenant)
            if not behind.note.startswith(f"{origin}\n".encode()):
                return  # signed under another origin; a worker that starts signs it anew
            line = await self.cosign(behind)
        except VerificationError as error:
            await self.record_refusal(behind, error)
            return
        if line is None:
            return
        # Dying here, or before the answer came: the witness has this checkpoint and we do not know. The next look
        # begins at a size that it has left behind, is told so, and gets the cosignature with a proof from there.
        await self.store.cosignatures.add(
            Cosignature(
                origin=origin,
                witness=self.witness.id,
                size=behind.size,
                text=notes.parse(behind.note).text,
                line=line.line,
                cosigned_at=datetime.fromtimestamp(line.timestamp, UTC),
            )
        )
        self.resting.pop(behind.tenant, None)

    async def cosign(self, behind: Uncosigned) -> Signature | None:
        """The witness's line; None when it already has a newer checkpoint of ours. VerificationError: it refuses.

        A log that was set back, or has another tree of the size that was cosigned, is brought too: what the witness
        answers is evidence.
        """
        old = min(behind.cosigned, behind.size)
        for _ in range(MAX_ATTEMPTS):
            path = await self.path(behind.tenant, old, behind.size)
            answer = await request_cosignature(
                self.http, self.witness, AddCheckpointRequest(old=old, path=path, note=behind.note)
            )
            if isinstance(answer, Signature):
                return answer
            if answer.size is None or answer.size == old:
                raise conflict_error(f"it has cosigned another tree of size {old}", answer)
            if answer.size > behind.size:
                await self.check_overtaken(behind, answer, answer.size)
                return None
            old = answer.size
        raise VerificationError(f"it begins at another size each time, last at {old}")

    async def check_overtaken(self, behind: Uncosigned, answer: SizeConflict, size: int) -> None:
        """Raise CheckpointConflict unless our log has come to this size, meanwhile and with another worker's help."""
        newest = await self.store.ledgers.newest(behind.tenant)
        if newest is None or newest.size < size:
            raise conflict_error(
                f"it has cosigned size {size}, which this log has not reached: entries are missing", answer
            )

    async def path(self, tenant: str, old: int, size: int) -> tuple[bytes, ...]:
        """The consistency proof between the two sizes."""
        spans = prove.consistency_spans(old, size)
        wanted = [(tile.level, tile.index) for tile in tiles.cover(prove.nodes(*spans), size)]
        return prove.hashes(spans, tiles.node_reader(await self.store.ledgers.tiles(tenant, wanted)))

    def rests(self, tenant: str) -> bool:
        return tenant in self.resting and self.clock() < self.resting[tenant].until

    def rest(self, behind: Uncosigned, longest_s: float) -> None:
        """Leave this log alone for twice as long as the last time."""
        last = self.resting.get(behind.tenant)
        seconds = FIRST_BACKOFF_S if last is None else min(2 * last.seconds, longest_s)
        self.resting[behind.tenant] = Backoff(until=self.clock() + seconds, seconds=seconds)

    async def record_refusal(self, behind: Uncosigned, error: VerificationError) -> None:
        """Say that the witness refused this log, and keep what it refused and what it answered."""
        self.rest(behind, MAX_DECLINED_BACKOFF_S)
        log.error("witness refused", **self.log_fields(behind), reason=error.message)
        status, answer = (error.status, error.answer) if isinstance(error, CheckpointConflict) else (0, b"")
        # Dying here leaves the log line, and no row: the next look asks again.
        await self.store.checkpoint_conflicts.add(
            Conflict(
                origin=f"{self.prefix}/{behind.tenant}",
                place=self.witness.id,
                size=behind.size,
                note=behind.note,
                reason=error.message,
                status=status,
                answer=answer,
            )
        )

    def log_fields(self, behind: Uncosigned) -> dict[str, str | int | float]:
        return {
            "witness": self.witness.key.name,
            "tenant": behind.tenant,
            "size": behind.size,
            "cosigned_size": behind.cosigned,
            "again_in_s": self.resting[behind.tenant].seconds,
        }


def conflict_error(message: str, answer: SizeConflict) -> CheckpointConflict:
    return CheckpointConflict(message, status=answer.status, answer=answer.answer)
