"""Limits how many reads of a kind run at once, and gives each caller at most half of the slots.

A read that is more than one row holds a connection for as long as the database takes. So each kind of read has a
number of slots, each caller a share of them, and a caller whose queue is too long or slow must try again.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from litestar import Request

from trenova.errors import Busy, InvalidRequest, TooManyReads
from trenova.runtime.http.byte_budget import Share

WAIT_S = 10
# Per caller. A page of a user interface sends several requests at once.
MAX_WAITING = 32

Result = TypeVar("Result")


class ReadSlots:
    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.per_caller = max(1, slots // 2)
        self.running: Counter[Share] = Counter()
        self.queues: OrderedDict[Share, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def slot(self, share: Share) -> AsyncIterator[None]:
        """Run the block in a slot of this caller. Raises TooManyReads, or Busy when others hold the slots too long."""
        await self.acquire(share)
        try:
            yield
        finally:
            self.release(share)

    async def acquire(self, share: Share) -> None:
        if share not in self.queues and self.may_run(share):
            self.running[share] += 1
            return
        queue = self.queues.setdefault(share, deque())
        if len(queue) >= MAX_WAITING:
            raise too_many_reads(self.per_caller)
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(granted)
        try:
            async with asyncio.timeout(WAIT_S):
                await granted
        except BaseException as error:
            self.give_up(share, granted)
            if isinstance(error, TimeoutError):
                raise (
                    too_many_reads(self.per_caller) if self.running[share] >= self.per_caller else all_slots_busy()
                ) from None
            raise

    def give_up(self, share: Share, granted: asyncio.Future[None]) -> None:
        if granted.done() and not granted.cancelled():
            self.release(share)  # the slot was granted at the same moment
            return
        queue = self.queues[share]
        queue.remove(granted)
        if not queue:
            del self.queues[share]

    def may_run(self, share: Share) -> bool:
        return self.running.total() < self.slots and self.running[share] < self.per_caller

    def release(self, share: Share) -> None:
        self.running[share] -= 1
        if not self.running[share]:
            del self.running[share]
        for waiting in list(self.queues):
            if self.may_run(waiting):
                self.grant(waiting)

    def grant(self, share: Share) -> None:
        """Grant a slot to this caller's first request, and put its others behind those of all callers."""
        queue = self.queues[share]
        granted = queue.popleft()
        if queue:
            self.queues.move_to_end(share)
        else:
            del self.queues[share]
        if not granted.done():
            self.running[share] += 1
            granted.set_result(None)


async def run_read(
    slots: ReadSlots, share: Share, request: Request[Any, Any, Any], work: Callable[[], Awaitable[Result]]
) -> Result:
    """The result of the work in a slot. When the client disconnects, the work and its statement are cancelled."""

    async def run() -> Result:
        async with slots.slot(share):
            return await work()

    running, disconnected = asyncio.create_task(run()), asyncio.create_task(wait_for_disconnect(request))
    try:
        await asyncio.wait({running, disconnected}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            return running.result()
        raise InvalidRequest("the client disconnected before it was answered")
    finally:
        for task in (running, disconnected):
            task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await disconnected
        # The connection is not free until the database has ended the statement.
        await asyncio.wait({running})


async def wait_for_disconnect(request: Request[Any, Any, Any]) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def too_many_reads(slots: int) -> TooManyReads:
    return TooManyReads(
        f"{slots} reads of this kind already run for this tenant, which is its limit, and others wait",
        retry_after_s=WAIT_S,
        hint="send fewer at once, and narrow searches with from and to",
    )


def all_slots_busy() -> Busy:
    return Busy("all slots for reads of this kind are in use by others", retry_after_s=WAIT_S)
