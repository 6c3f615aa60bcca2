"""Whose read runs next: so many at once, and no caller more than half of them while it has no right to all.

A read that is more than a look at one row holds a connection for as long as the database takes. So each kind has a
number of places, each caller has a share of them, and whoever waits in a long line is told to come back.
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
# Of one caller. A page of a user interface asks for several things at once.
MAX_WAITING = 32

Result = TypeVar("Result")


class ReadSlots:
    def __init__(self, places: int) -> None:
        self.places = places
        self.most = max(1, places // 2)
        self.running: Counter[Share] = Counter()
        self.lanes: OrderedDict[Share, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, share: Share) -> AsyncIterator[None]:
        """Run the block in this caller's turn. Raises TooManyReads, and Busy when others take too long."""
        await self.begin(share)
        try:
            yield
        finally:
            self.end(share)

    async def begin(self, share: Share) -> None:
        if share not in self.lanes and self.may_run(share):
            self.running[share] += 1
            return
        lane = self.lanes.setdefault(share, deque())
        if len(lane) >= MAX_WAITING:
            raise too_many_reads(self.most)
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lane.append(place)
        try:
            async with asyncio.timeout(WAIT_S):
                await place
        except BaseException as error:
            self.give_up(share, place)
            if isinstance(error, TimeoutError):
                raise (too_many_reads(self.most) if self.running[share] >= self.most else all_slots_busy()) from None
            raise

    def give_up(self, share: Share, place: asyncio.Future[None]) -> None:
        if place.done() and not place.cancelled():
            self.end(share)  # its turn came in the same moment
            return
        lane = self.lanes[share]
        lane.remove(place)
        if not lane:
            del self.lanes[share]

    def may_run(self, share: Share) -> bool:
        return self.running.total() < self.places and self.running[share] < self.most

    def end(self, share: Share) -> None:
        self.running[share] -= 1
        if not self.running[share]:
            del self.running[share]
        for waiting in list(self.lanes):
            if self.may_run(waiting):
                self.admit(waiting)

    def admit(self, share: Share) -> None:
        """Let the first of this caller run, and put its others behind all callers."""
        lane = self.lanes[share]
        place = lane.popleft()
        if lane:
            self.lanes.move_to_end(share)
        else:
            del self.lanes[share]
        if not place.done():
            self.running[share] += 1
            place.set_result(None)


async def run_read(
    turns: ReadSlots, share: Share, request: Request[Any, Any, Any], work: Callable[[], Awaitable[Result]]
) -> Result:
    """The result of the work in its turn. When the client hangs up the work is cancelled, its statement with it."""

    async def run() -> Result:
        async with turns.turn(share):
            return await work()

    running, gone = asyncio.create_task(run()), asyncio.create_task(wait_for_disconnect(request))
    try:
        await asyncio.wait({running, gone}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            return running.result()
        raise InvalidRequest("the client hung up before it was answered")
    finally:
        for task in (running, gone):
            task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await gone
        # Until the database has let go of the statement, its connection is not free.
        await asyncio.wait({running})


async def wait_for_disconnect(request: Request[Any, Any, Any]) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def too_many_reads(most: int) -> TooManyReads:
    return TooManyReads(
        f"{most} reads of this kind already run for this tenant, as many as may, and others wait",
        retry_after_s=WAIT_S,
        hint="send fewer at once, and narrow searches by from and to",
    )


def all_slots_busy() -> Busy:
    return Busy("all places for reads of this kind are taken by others", retry_after_s=WAIT_S)
