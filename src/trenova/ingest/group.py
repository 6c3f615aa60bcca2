"""Group commit: the entries of many callers share a batch, and each caller waits for the batches that hold its entries.

Natural batching: an entry that arrives while no batch is in flight is sent at once; while batches are in flight,
entries gather and are sent together. So a lone caller is never delayed, and batches grow with the load. After each
shared batch there is a rest as long as its start took: a workflow costs the server the same whatever its size, and
without the rest it would be busy with many small ones.

While Temporal is unreachable no caller waits for it: the request fails with Unavailable, or its batch is spooled.
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
from trenova.ingest.start import UNREACHABLE, Handle, parcel_of, start

log = structlog.get_logger()

# Plain JSON. Audit entries usually compress to a ninth of it; the few batches that do not, and would be larger than
# Temporal accepts, are sent in halves. A higher limit would cost memory in every process.
MAX_BATCH_BYTES = 9 * MIB // 4
# Stored in one transaction; more would hold the tenants' locks for longer without going faster.
MAX_BATCH_ENTRIES = 2_000
# A batch that is not full is sent only while fewer than this are in flight: that is what makes batches grow. With two,
# a lone entry and the entries after it alternated, and twice as many workflows carried the same entries.
SMALL_STARTS = 1
# The longest rest. A start that takes longer means an overloaded server, and its callers have waited long enough.
MAX_REST_S = 0.05
# Full batches in flight at once. Each costs memory: it is held plain, encoded and in the call.
MAX_STARTS = 6
# Entries that may wait in this process. Beyond it requests fail as Busy, before memory runs out.
MAX_WAITING_BYTES = 48 * MIB
# While Temporal is unreachable. It is probed every second.
RETRY_AFTER_S = 2


class StorageUnconfirmed(Exception):
    """It is not confirmed that this accepted batch is stored."""


class AcceptedBatch:
    """A batch that Temporal has persisted. All its callers share one query for its result."""

    state: Literal["accepted"] = "accepted"

    def __init__(self, batch_id: str, handle: Handle) -> None:
        self.batch_id = batch_id
        self.handle = handle
        self.result: asyncio.Task[bool] | None = None

    async def wait_until_stored(self) -> None:
        """Return once it is stored. Raises StorageUnconfirmed if its workflow failed or its result cannot be read."""
        if self.result is None:
            # In its own context: the outcome belongs to no single request.
            self.result = asyncio.create_task(self.query_result(), context=Context())
        # Shielded: a caller that gives up must not cancel the query of the others.
        if not await asyncio.shield(self.result):
            raise StorageUnconfirmed

    async def query_result(self) -> bool:
        try:
            await self.handle.result()
        except WorkflowFailureError:
            return False
        except Exception as error:  # noqa: BLE001 - whatever it is, the batch remains accepted
            # Only the type of other errors is logged: their messages may hold content.
            reason = error.message if isinstance(error, RPCError | TrenovaError) else type(error).__name__
            log.warning("waiting for a batch failed", batch_id=self.batch_id, error=reason)
            return False
        return True


@dataclass(frozen=True)
class SpooledBatch:
    """A batch that is safe on this server's disk. It is sent under the same id once Temporal is available again."""

    batch_id: str
    state: Literal["spooled"] = "spooled"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedEntries:
    """Consecutive entries of one caller and the batch that holds them."""

    batch: AcceptedBatch | SpooledBatch
    entries: Sequence[SealedEntry]


class Waiter:
    """The future of one request: resolved when all its pieces are in batches, or failed with the first error."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.placed: list[tuple[int, PlacedEntries]] = []
        self.left = len(request.entries)
        self.done: asyncio.Future[list[PlacedEntries]] = asyncio.get_running_loop().create_future()

    def place(self, batch: AcceptedBatch | SpooledBatch, piece: Piece) -> None:
        self.placed.append((piece.begin, PlacedEntries(batch=batch, entries=piece.entries)))
        self.left -= piece.end - piece.begin
        if self.left == 0 and not self.done.done():
            self.done.set_result([placed for _, placed in sorted(self.placed, key=lambda item: item[0])])

    def fail(self, error: BaseException, *, alone: bool) -> None:
        """`alone`: no piece of this request has been in another batch than the one that failed."""
        if self.done.done():
            return
        if isinstance(error, Unavailable) and not alone:
            error = TemporalUnreachable.instead_of(error)
        self.done.set_exception(error)


class GroupCommit:
    """Sends the API's entries to Temporal. Nothing in memory is acknowledged: a crash loses only unanswered requests.

    `on_drained` is called with the number of entries of each spooled batch that Temporal has persisted.
    """

    def __init__(
        self, client: Client, spool: Spool | None = None, on_drained: Callable[[int], object] = lambda _: None
    ) -> None:
        self.client = client
        self.spool = spool
        self.on_drained = on_drained
        self.breaker = Breaker(client, self.on_reachability_change)
        self.queue = Queue(BatchLimits(max_entries=MAX_BATCH_ENTRIES, max_bytes=MAX_BATCH_BYTES))
        self.waiters: dict[Request, Waiter] = {}
        self.in_flight: set[asyncio.Task[None]] = set()
        self.rest: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver spooled batches until the block ends; a failure of that task cancels the block.

        Begins with a probe, so that a fault is logged from the start.
        """
        self.breaker.doubt()
        try:
            async with asyncio.TaskGroup() as background:
                tasks = (
                    [background.create_task(Drain(self.client, self.spool, self.breaker, self.on_drained).run())]
                    if self.spool
                    else []
                )
                yield
                for task in tasks:
                    task.cancel()
        finally:
            await self.breaker.stop()

    def check(self) -> None:
        """Raise Unavailable while nothing can be accepted: before a request is read, so that nothing piles up."""
        if self.is_closed:
            # The probe is running, unless a bug ended it: without a new one this would stay closed forever.
            self.breaker.doubt()
            raise self.unreachable_error()
        if self.breaker.unreachable.is_set() and self.spool and self.spool.is_full:
            raise spool_full_error()

    def unreachable_error(self) -> Unavailable:
        """The error for a request that is not sent at all."""
        fault = self.breaker.fault
        reason, hint = (f": {fault.message}", fault.hint) if fault else ("", None)
        return Unavailable(f"{UNREACHABLE}{reason}", retry_after_s=RETRY_AFTER_S, hint=hint)

    @property
    def is_closed(self) -> bool:
        return self.spool is None and self.breaker.unreachable.is_set()

    async def add(self, entries: Sequence[SealedEntry]) -> list[PlacedEntries]:
        """Return when every entry is accepted or spooled, with the batches in the entries' order.

        Raises TemporalUnreachable when that is not certain, and Unavailable when nothing was accepted. An entry that
        was accepted all the same is found as a duplicate when the caller sends it again.
        """
        self.check()
        size = sum(len(entry.body) for entry in entries)
        if self.queue.waiting_bytes and self.queue.waiting_bytes + size > MAX_WAITING_BYTES:
            raise Busy("this server is at its limit of waiting entries", retry_after_s=2)
        request_id = structlog.contextvars.get_contextvars().get("request_id")
        request = Request(entries, id=request_id, origin=tracing.current.origin())
        waiter = self.waiters[request] = Waiter(request)
        self.queue.put(request)
        self.pump()
        try:
            return await waiter.done
        finally:
            # Also when the caller has gone away: what has not been sent yet need not be sent.
            del self.waiters[request]
            self.queue.drop(request)

    def pump(self) -> None:
        """Start as many batches as may be in flight."""
        while self.queue.waiting_entries and not self.is_closed:
            is_full = self.queue.has_full_batch
            if len(self.in_flight) >= (MAX_STARTS if is_full else SMALL_STARTS) or (self.rest and not is_full):
                return
            # In its own context: a batch belongs to no single request.
            task = asyncio.create_task(self.send(self.queue.take()), context=Context())
            self.in_flight.add(task)
            task.add_done_callback(self.finish_send)

    def finish_send(self, task: asyncio.Task[None]) -> None:
        self.in_flight.discard(task)
        self.pump()

    def on_reachability_change(self) -> None:
        """If closed now, fail the requests that wait for a batch; a batch in flight goes on."""
        if self.is_closed:
            for waiter in [each for each in self.waiters.values() if each.request.waiting]:
                waiter.fail(self.unreachable_error(), alone=not waiter.request.taken)
        self.pump()

    def start_rest(self, seconds: float) -> None:
        """Let entries gather before the next batch that is not full is sent."""
        if self.rest is None:
            self.rest = asyncio.get_running_loop().call_later(min(seconds, MAX_REST_S), self.end_rest)

    def end_rest(self) -> None:
        self.rest = None
        self.pump()

    async def send(self, pieces: Sequence[Piece]) -> None:
        """Start one batch and resolve its callers. An error fails only them, not the next batch."""
        entries = [entry for piece in pieces for entry in piece.entries]
        began = time.monotonic()
        try:
            with tracing.current.batch(piece.request.origin for piece in pieces):
                batch = await self.commit(entries)
        except PayloadTooLarge:
            # Nothing was sent yet. A half always fits: even its plain bytes are below the limit of the encoded ones.
            for half in split_in_halves(pieces):
                await self.send(half)
            return
        except BaseException as error:  # noqa: BLE001 - whatever it is, callers wait for it
            for piece in pieces:
                if waiter := self.waiters.get(piece.request):
                    waiter.fail(error, alone=piece.is_all)
            return
        log_batch(batch, pieces)
        for piece in pieces:
            if waiter := self.waiters.get(piece.request):
                waiter.place(batch, piece)
        if len(pieces) > 1:
            self.start_rest(time.monotonic() - began)

    async def commit(self, entries: Sequence[SealedEntry]) -> AcceptedBatch | SpooledBatch:
        """Make one batch durable: in Temporal or, while that is unreachable, in the spool if there is one."""
        parcel = await parcel_of(self.client, entries)
        BATCH_ENTRIES.observe(parcel.entries)
        BATCH_SIZE.observe(len(parcel.payload.data))  # ByteSize() would serialize the payload
        starting = partial(start, self.client, parcel)
        if self.spool is None:
            return AcceptedBatch(parcel.batch_id, await self.breaker.run_start(starting))
        try:
            return AcceptedBatch(parcel.batch_id, await self.breaker.unless_unreachable(starting))
        except TemporalUnreachable as lost:
            # Temporal may have persisted it all the same. The spool starts it under the same id, so it runs once.
            try:
                await self.spool.put(parcel)
            except Unavailable as error:
                raise TemporalUnreachable.instead_of(error) from lost
            return SpooledBatch(parcel.batch_id)


def log_batch(batch: AcceptedBatch | SpooledBatch, pieces: Sequence[Piece]) -> None:
    """Log one line per batch, with the ids of its requests: a line per request would cost 5 % of the API's time."""
    log.info(
        "batch accepted" if batch.state == "accepted" else "batch spooled",
        batch_id=batch.batch_id,
        entries=sum(piece.end - piece.begin for piece in pieces),
        request_ids=[piece.request.id for piece in pieces if piece.request.id],
    )


async def wait_until_stored(placed: Sequence[PlacedEntries], timeout_s: float) -> bool:
    """Wait until the batches are stored; False if that takes longer than `timeout_s`. Their workflows go on.

    False at once for a spooled batch, since it is unknown how long Temporal stays unreachable; for a workflow that
    failed, since the reconciliation stores its batch only minutes later; and for a result that cannot be read. Entries
    remain accepted whatever happens here.
    """
    accepted = [each.batch for each in placed if isinstance(each.batch, AcceptedBatch)]
    if len(accepted) < len(placed):
        return False
    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.gather(*(batch.wait_until_stored() for batch in accepted))
    except (TimeoutError, StorageUnconfirmed):
        return False
    return True
