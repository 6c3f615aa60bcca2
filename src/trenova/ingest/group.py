"""Group commit: entries of many callers travel in one batch, and each caller waits for the batches that hold its own.

Natural batching: an entry that comes while nothing is under way leaves at once; while batches are under way, entries
gather and leave together. So a lone caller is never delayed, and under load the batches grow by themselves. Where
callers come faster than starts, there is a rest after each shared batch, as long as its start took: a workflow costs
the server the same whatever it holds, and starting without pause would keep it busy with many small ones.

While Temporal is away nobody waits for it: callers are told to come back, or their batches go to the spool.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from typing import Literal

import structlog
from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError

from trenova import tracing
from trenova.config import MIB
from trenova.domain.entry import SealedEntry
from trenova.errors import Busy, PayloadTooLarge, TemporalUnreachable, TrenovaError, Unavailable
from trenova.ingest.breaker import Breaker
from trenova.ingest.drain import Drain
from trenova.ingest.instruments import BATCH_ENTRIES, BATCH_SIZE
from trenova.ingest.queue import BatchLimits, Piece, Queue, Request, split_in_halves
from trenova.ingest.spool import Spool, spool_full_error
from trenova.ingest.start import Handle, parcel_of, start

log = structlog.get_logger()

# Plain JSON. Audit entries shrink to a ninth of it; those few batches that do not, and would then be larger than
# Temporal takes, are sent in halves. More would cost memory in every process on the way.
MAX_BATCH_BYTES = 9 * MIB // 4
# Stored in one transaction; more would hold the tenants' locks for longer without going faster.
MAX_BATCH_ENTRIES = 2_000
# Batches that are not full leave only while fewer than this are under way: that is what makes them grow. With two, a
# lone entry and its followers took turns, and twice as many workflows carried the same entries.
SMALL_STARTS = 1
# The longest rest. A start that takes longer meets a server in trouble, and its callers have waited enough.
MAX_REST_S = 0.05
# Full ones may be this many at once. They cost memory: each is held plain, encoded and in the call.
MAX_STARTS = 6
# What may wait in this process. Past it callers are told to come back: memory would be the next thing to run out.
MAX_WAITING_BYTES = 48 * MIB
# While Temporal is away. It is asked every second, and whoever comes once it has answered is let in.
RETRY_AFTER_S = 2


class StorageUnconfirmed(Exception):
    """Nobody says that this accepted batch is stored."""


class AcceptedBatch:
    """A batch that Temporal has persisted. All its callers share one question whether it is stored."""

    state: Literal["accepted"] = "accepted"

    def __init__(self, batch_id: str, handle: Handle) -> None:
        self.batch_id = batch_id
        self.handle = handle
        self.asking: asyncio.Task[bool] | None = None

    async def stored(self) -> None:
        """Return once it is. Raises NobodyKnows where its workflow ends in another way, or cannot be asked."""
        if self.asking is None:
            # In a context of its own: what it meets is no more one request's than another's.
            self.asking = asyncio.create_task(self.ask(), context=Context())
        # Shielded: a caller that gives up must not take the answer from the others.
        if not await asyncio.shield(self.asking):
            raise StorageUnconfirmed

    async def ask(self) -> bool:
        try:
            await self.handle.result()
        except WorkflowFailureError:
            return False
        except Exception as error:  # noqa: BLE001 - whatever it was, the batch is accepted all the same
            # Named, not shown, unless it is ours or Temporal's: others may hold what the result holds.
            reason = error.message if isinstance(error, RPCError | TrenovaError) else type(error).__name__
            log.warning("wait for a batch ended", batch_id=self.batch_id, error=reason)
            return False
        return True


@dataclass(frozen=True)
class SpooledBatch:
    """A batch that is safe on this server's disk, and goes to Temporal under the same id when it is back."""

    batch_id: str
    state: Literal["spooled"] = "spooled"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedEntries:
    """Consecutive entries of one caller and the batch that holds them."""

    batch: AcceptedBatch | SpooledBatch
    entries: Sequence[SealedEntry]


class Waiter:
    """A caller: resolved when every piece of its request is in a batch, or failed with the first that is not."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.placed: list[tuple[int, PlacedEntries]] = []
        self.left = len(request.entries)
        self.done: asyncio.Future[list[PlacedEntries]] = asyncio.get_running_loop().create_future()

    def placed_in(self, batch: AcceptedBatch | SpooledBatch, piece: Piece) -> None:
        self.placed.append((piece.begin, PlacedEntries(batch=batch, entries=piece.entries)))
        self.left -= piece.end - piece.begin
        if self.left == 0 and not self.done.done():
            self.done.set_result([placed for _, placed in sorted(self.placed, key=lambda item: item[0])])

    def failed(self, error: BaseException, *, alone: bool) -> None:
        """`alone`: nothing of this request has been in another batch than the one that met the error."""
        if self.done.done():
            return
        if isinstance(error, Unavailable) and not alone:
            error = TemporalUnreachable.instead_of(error)
        self.done.set_exception(error)


class GroupCommit:
    """The way from the API into Temporal. Nothing in here is acknowledged: dying loses only what had no answer.

    `drained` is told how many entries of the spool Temporal has persisted, a batch at a time.
    """

    def __init__(
        self, client: Client, spool: Spool | None = None, drained: Callable[[int], object] = lambda _: None
    ) -> None:
        self.client = client
        self.spool = spool
        self.drained = drained
        self.breaker = Breaker(client, self.away_or_back)
        self.queue = Queue(BatchLimits(max_entries=MAX_BATCH_ENTRIES, max_bytes=MAX_BATCH_BYTES))
        self.waiters: dict[Request, Waiter] = {}
        self.under_way: set[asyncio.Task[None]] = set()
        self.rest: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver spooled batches until the block ends; a failure of that task cancels the block.

        Temporal is asked first: if it cannot be used, the log says so from the start.
        """
        self.breaker.doubt()
        try:
            async with asyncio.TaskGroup() as background:
                tasks = (
                    [background.create_task(Drain(self.client, self.spool, self.breaker, self.drained).run())]
                    if self.spool
                    else []
                )
                yield
                for task in tasks:
                    task.cancel()
        finally:
            await self.breaker.stop()

    def check(self) -> None:
        """Raise Unavailable while nothing can be taken in: before a request is read, so that nothing piles up."""
        if self.refuses:
            # Under way already, unless it has met an error of its own: then the door would stay closed for good.
            self.breaker.doubt()
            raise self.away()
        if self.breaker.away.is_set() and self.spool and self.spool.is_full:
            raise spool_full_error()

    def away(self) -> Unavailable:
        """Of a request that is not sent at all."""
        fault = self.breaker.fault
        reason, hint = (f": {fault.message}", fault.hint) if fault else ("", None)
        return Unavailable(f"Temporal is away{reason}", retry_after_s=RETRY_AFTER_S, hint=hint)

    @property
    def refuses(self) -> bool:
        return self.spool is None and self.breaker.away.is_set()

    async def add(self, entries: Sequence[SealedEntry]) -> list[PlacedEntries]:
        """Return when every entry is accepted or spooled, with the batches in the entries' order.

        Raises TemporalUnreachable when that is not certain, and Unavailable when nothing was taken in. An entry that
        was accepted all the same is found as a duplicate when the caller sends it again.
        """
        self.check()
        size = sum(len(entry.body) for entry in entries)
        if self.queue.waiting_bytes and self.queue.waiting_bytes + size > MAX_WAITING_BYTES:
            raise Busy("more entries wait than this server holds", retry_after_s=2)
        id_ = structlog.contextvars.get_contextvars().get("request_id")
        request = Request(entries, id=id_, origin=tracing.current.origin())
        waiter = self.waiters[request] = Waiter(request)
        self.queue.put(request)
        self.pump()
        try:
            return await waiter.done
        finally:
            # Also when the caller has gone away: what has not left yet then need not leave.
            del self.waiters[request]
            self.queue.drop(request)

    def pump(self) -> None:
        """Start as many batches as may be under way."""
        while self.queue.waiting_entries and not self.refuses:
            full = self.queue.has_full_batch
            if len(self.under_way) >= (MAX_STARTS if full else SMALL_STARTS) or (self.rest and not full):
                return
            # In a context of its own: a batch is no more one request's than another's.
            task = asyncio.create_task(self.send(self.queue.take()), context=Context())
            self.under_way.add(task)
            task.add_done_callback(self.landed)

    def landed(self, task: asyncio.Task[None]) -> None:
        self.under_way.discard(task)
        self.pump()

    def away_or_back(self) -> None:
        """Who waits for a turn that will not come is told so; a batch that is under way goes on trying."""
        if self.refuses:
            for waiter in [each for each in self.waiters.values() if each.request.waiting]:
                waiter.failed(self.away(), alone=not waiter.request.taken)
        self.pump()

    def rest_for(self, seconds: float) -> None:
        """Let entries gather before the next batch that is not full."""
        if self.rest is None:
            self.rest = asyncio.get_running_loop().call_later(min(seconds, MAX_REST_S), self.rested)

    def rested(self) -> None:
        self.rest = None
        self.pump()

    async def send(self, pieces: Sequence[Piece]) -> None:
        """Start one batch and tell its callers. An error is theirs alone: the next batch tries for itself."""
        entries = [entry for piece in pieces for entry in piece.entries]
        began = time.monotonic()
        try:
            with tracing.current.batch(piece.request.origin for piece in pieces):
                batch = await self.commit(entries)
        except PayloadTooLarge:
            # Nothing has left yet. A half always fits: plain, it is smaller than the limit of an encoded one.
            for half in split_in_halves(pieces):
                await self.send(half)
            return
        except BaseException as error:  # noqa: BLE001 - whatever it was, somebody waits for it
            for piece in pieces:
                if waiter := self.waiters.get(piece.request):
                    waiter.failed(error, alone=piece.is_all)
            return
        log_batch(batch, pieces)
        for piece in pieces:
            if waiter := self.waiters.get(piece.request):
                waiter.placed_in(batch, piece)
        if len(pieces) > 1:
            self.rest_for(time.monotonic() - began)

    async def commit(self, entries: Sequence[SealedEntry]) -> AcceptedBatch | SpooledBatch:
        """Make one batch durable: in Temporal; while that is away, in the spool if there is one."""
        parcel = await parcel_of(self.client, entries)
        BATCH_ENTRIES.observe(parcel.entries)
        BATCH_SIZE.observe(len(parcel.payload.data))  # ByteSize() serializes it all to count
        starting = partial(start, self.client, parcel)
        if self.spool is None:
            return AcceptedBatch(parcel.batch_id, await self.breaker.watched(starting))
        try:
            return AcceptedBatch(parcel.batch_id, await self.breaker.unless_away(starting))
        except TemporalUnreachable as lost:
            # Temporal may have persisted it all the same. From the spool it is started under the same id: only once.
            try:
                await self.spool.put(parcel)
            except Unavailable as error:
                raise TemporalUnreachable.instead_of(error) from lost
            return SpooledBatch(parcel.batch_id)


def log_batch(batch: AcceptedBatch | SpooledBatch, pieces: Sequence[Piece]) -> None:
    """One line a batch, with the ids of its requests: a line for each would cost the API a twentieth of its time."""
    log.info(
        "batch accepted" if batch.state == "accepted" else "batch spooled",
        batch_id=batch.batch_id,
        entries=sum(piece.end - piece.begin for piece in pieces),
        request_ids=[piece.request.id for piece in pieces if piece.request.id],
    )


async def wait_until_stored(placed: Sequence[PlacedEntries], timeout_s: float) -> bool:
    """Wait until the batches are stored; False when that takes longer than `timeout_s`. They go on all the same.

    False at once where one is spooled: how long Temporal stays away nobody knows. And where a workflow has ended
    without storing its batch: what is accepted is stored by the reconciliation, minutes later. And where it cannot be
    asked, or its result not be read: no error of this wait changes that the entries are accepted.
    """
    accepted = [each.batch for each in placed if isinstance(each.batch, AcceptedBatch)]
    if len(accepted) < len(placed):
        return False
    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.gather(*(batch.stored() for batch in accepted))
    except (TimeoutError, StorageUnconfirmed):
        return False
    return True
