"""Group commit: entries of many callers travel in one batch, and each caller waits for the batches that hold its own.

Natural batching: an entry that comes while nothing is under way leaves at once; while batches are under way, entries
gather and leave together. So a lone caller is never delayed, and under load the batches grow by themselves.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError

from trenova.config import MIB
from trenova.domain.batch import BatchResult
from trenova.domain.entry import Sealed
from trenova.errors import Unavailable
from trenova.ingest.queue import Caps, Piece, Queue, Request
from trenova.ingest.start import Handle, start, unavailable

# Temporal refuses a payload of 2 MiB. Encryption adds about a hundred bytes and compression is kept only where it
# helps, so this much plain JSON always fits, and audit entries shrink to a tenth of it.
MAX_BATCH_BYTES = 7 * MIB // 4
# Stored in one transaction; more would hold the tenants' locks for longer without going faster.
MAX_BATCH_ENTRIES = 2_000
# Batches that are not full leave only while fewer than this are under way: that is what makes them grow. With two, a
# lone entry and its followers took turns, and twice as many workflows carried the same entries.
SMALL_STARTS = 1
# Full ones may be this many at once. They cost memory: each is held plain, encoded and in the call.
MAX_STARTS = 6
# What may wait in this process. Past it callers are told to come back: memory would be the next thing to run out.
MAX_WAITING_BYTES = 48 * MIB


class AcceptedBatch:
    """A batch that Temporal has persisted. All its callers share one question whether it is stored."""

    def __init__(self, batch_id: str, handle: Handle) -> None:
        self.batch_id = batch_id
        self.handle = handle
        self.result: asyncio.Task[BatchResult] | None = None

    async def stored(self) -> BatchResult:
        if self.result is None:
            self.result = asyncio.create_task(self.handle.result())
        # Shielded: a caller that gives up must not take the answer from the others.
        return await asyncio.shield(self.result)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Consecutive entries of one caller and the batch that holds them."""

    batch: AcceptedBatch
    entries: Sequence[Sealed]


class Waiter:
    """A caller: resolved when every piece of its request is accepted, or failed with the first that was not."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.placed: list[tuple[int, Placed]] = []
        self.left = len(request.entries)
        self.done: asyncio.Future[list[Placed]] = asyncio.get_running_loop().create_future()

    def accepted(self, piece: Piece, batch: AcceptedBatch) -> None:
        self.placed.append((piece.begin, Placed(batch=batch, entries=piece.entries)))
        self.left -= piece.end - piece.begin
        if self.left == 0 and not self.done.done():
            self.done.set_result([placed for _, placed in sorted(self.placed, key=lambda item: item[0])])

    def failed(self, error: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class GroupCommit:
    """The way from the API into Temporal. Nothing in here is acknowledged: dying loses only what had no answer."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.queue = Queue(Caps(max_entries=MAX_BATCH_ENTRIES, max_bytes=MAX_BATCH_BYTES))
        self.waiters: dict[Request, Waiter] = {}
        self.under_way: set[asyncio.Task[None]] = set()

    async def add(self, entries: Sequence[Sealed]) -> list[Placed]:
        """Return when every entry is accepted, with the batches in the entries' order.

        Raises Unavailable when that is not certain, or when too much waits already. An entry that was accepted all the
        same is found as a duplicate when the caller sends it again.
        """
        size = sum(len(entry.body) for entry in entries)
        if self.queue.waiting_bytes and self.queue.waiting_bytes + size > MAX_WAITING_BYTES:
            raise Unavailable("more entries are waiting for Temporal than this server holds", retry_after_s=2)
        request = Request(entries)
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
        while self.queue.waiting_entries:
            limit = MAX_STARTS if self.queue.has_full_batch else SMALL_STARTS
            if len(self.under_way) >= limit:
                return
            task = asyncio.create_task(self.send(self.queue.take()))
            self.under_way.add(task)
            task.add_done_callback(self.landed)

    def landed(self, task: asyncio.Task[None]) -> None:
        self.under_way.discard(task)
        self.pump()

    async def send(self, pieces: Sequence[Piece]) -> None:
        """Start one batch and tell its callers. An error is theirs alone: the next batch tries for itself."""
        entries = [entry for piece in pieces for entry in piece.entries]
        try:
            batch = AcceptedBatch(*await start(self.client, entries))
        except BaseException as error:  # noqa: BLE001 - whatever it was, somebody waits for it
            for piece in pieces:
                if waiter := self.waiters.get(piece.request):
                    waiter.failed(error)
            return
        for piece in pieces:
            if waiter := self.waiters.get(piece.request):
                waiter.accepted(piece, batch)


async def all_stored(placed: Sequence[Placed], timeout_s: float) -> bool:
    """Wait until the batches are stored; False when that takes longer than `timeout_s`. They go on all the same."""
    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.gather(*(each.batch.stored() for each in placed))
    except TimeoutError:
        return False
    except RPCError as error:
        raise unavailable(error) from error
    except WorkflowFailureError as error:
        raise Unavailable(
            "the batch was accepted, but its workflow ended before it was stored",
            hint="send the entries again with the same ids",
        ) from error
    return True
