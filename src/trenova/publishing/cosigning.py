"""Bringing the newest checkpoint of each log to a witness, from the last that it has cosigned."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import structlog

from trenova.errors import VerificationError
from trenova.ledger import checkpoint, prove, tiles
from trenova.ledger.note import Signature
from trenova.ledger.submission import Submission
from trenova.publishing.witnesses import Witness, ask
from trenova.store import Store
from trenova.store.cosignatures import Cosignature, Uncosigned

log = structlog.get_logger()

PAGE = 100  # logs read at a time
AT_ONCE = 4  # requests to one witness, and so at most as many connections to the database
TRIES = 3  # the size we know, the one that the witness tells us, and once more if another worker came between
FIRST_REST_S, LONGEST_REST_S = 10, 3600  # of a log that a witness refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """A log is left alone until `until` (of the clock), which was `seconds` from the refusal."""

    until: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosigning:
    """All that one witness is asked. `prefix` is what the origins of our logs begin with."""

    witness: Witness
    prefix: str
    store: Store
    http: httpx.AsyncClient
    clock: Callable[[], float] = time.monotonic
    resting: dict[str, Rest] = field(default_factory=dict)
    """By tenant, the logs that were refused."""

    async def look(self) -> None:
        """Bring it every newest checkpoint that it has not cosigned. Raises Unavailable when a part is away.

        A log that it refuses does not stop the others: it is logged, and tried again after growing pauses.
        """
        async with self.store.cosignatures.alone(self.witness.id) as alone:
            after: str | None = "" if alone else None
            while after is not None:
                after = await self.bring_page(after)

    async def bring_page(self, after: str) -> str | None:
        """Bring the next logs behind the tenant `after`; the last of them, or None when there are no more."""
        page = await self.store.cosignatures.uncosigned(self.prefix, self.witness.id, after=after, limit=PAGE)
        waiting = [each for each in page if not self.rests(each.tenant)]
        for start in range(0, len(waiting), AT_ONCE):
            together = (self.bring(each) for each in waiting[start : start + AT_ONCE])
            for error in await asyncio.gather(*together, return_exceptions=True):
                if error is not None:
                    raise error
        return page[-1].tenant if len(page) == PAGE else None

    async def bring(self, behind: Uncosigned) -> None:
        origin = checkpoint.origin(self.prefix, behind.tenant)
        if not behind.note.startswith(f"{origin}\n".encode()):
            return  # signed under another origin; a worker that starts signs it anew
        try:
            line = await self.cosign(behind)
        except VerificationError as error:
            self.rest(behind, error.message)
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
                line=line.line,
                cosigned_at=datetime.fromtimestamp(line.timestamp, UTC),
            )
        )
        self.resting.pop(behind.tenant, None)

    async def cosign(self, behind: Uncosigned) -> Signature | None:
        """The witness's line; None when it already has a newer checkpoint of ours. VerificationError: it refuses."""
        old = behind.cosigned
        for _ in range(TRIES):
            path = await self.path(behind.tenant, old, behind.size)
            answer = await ask(self.http, self.witness, Submission(old=old, path=path, note=behind.note))
            if isinstance(answer, Signature):
                return answer
            if answer.size is None or answer.size == old:
                raise VerificationError(f"it has cosigned another tree of size {old}")
            if answer.size > behind.size:
                await self.check_overtaken(behind.tenant, answer.size)
                return None
            old = answer.size
        raise VerificationError(f"it begins at another size each time, last at {old}")

    async def check_overtaken(self, tenant: str, size: int) -> None:
        """Raise VerificationError unless our log has come to this size, meanwhile and with another worker's help."""
        newest = await self.store.logs.newest(tenant)
        if newest is None or newest.size < size:
            raise VerificationError(f"it has cosigned size {size}, which this log has not reached: entries are missing")

    async def path(self, tenant: str, old: int, size: int) -> tuple[bytes, ...]:
        """The consistency proof between the two sizes."""
        spans = prove.consistency_spans(old, size)
        wanted = [(tile.level, tile.index) for tile in tiles.needed(prove.nodes(*spans), size)]
        return prove.hashes(spans, tiles.reader(await self.store.logs.tiles(tenant, wanted)))

    def rests(self, tenant: str) -> bool:
        return tenant in self.resting and self.clock() < self.resting[tenant].until

    def rest(self, behind: Uncosigned, reason: str) -> None:
        """Say that the witness refused this log, and leave it alone for twice as long as the last time."""
        last = self.resting.get(behind.tenant)
        seconds = FIRST_REST_S if last is None else min(2 * last.seconds, LONGEST_REST_S)
        self.resting[behind.tenant] = Rest(until=self.clock() + seconds, seconds=seconds)
        log.error(
            "witness refused",
            witness=self.witness.key.name,
            tenant=behind.tenant,
            size=behind.size,
            cosigned_size=behind.cosigned,
            reason=reason,
            again_in_s=seconds,
        )
