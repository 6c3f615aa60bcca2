"""How many bytes of request bodies this process holds at once, and how its callers share them.

Bytes count when they are received: an announced length costs nothing. No request waits for the budget. When it is
exhausted, it is taken back from the caller that holds the most, while one of its bodies is still being read, or the
request is answered with "try again". A caller that got this answer is remembered for a moment, in which every other is
limited to an equal share.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from trenova.config import MIB
from trenova.errors import Busy

# Entries are held several times over while they are read, sealed, encoded and sent: this is a fraction of the 300 MB
# that the process may grow to.
MAX_BYTES = 32 * MIB
# Clients are asked to send again after a second. This is a few of those.
REMEMBER_S = 10

Share = tuple[str, str]
"""Whose request it is: the kind of caller, and which. Tenants have any name, so the kind keeps the two apart."""


@dataclass(slots=True, eq=False)
class Reservation:
    """The bytes that one request holds."""

    share: Share
    size: int = 0
    reading: asyncio.Timeout | None = None
    """Set while its body is being read; rescheduling it ends that."""
    lost: bool = False
    """Its bytes were given to another caller."""


class ByteBudget:
    def __init__(self, max_bytes: int = MAX_BYTES, clock: Callable[[], float] = time.monotonic) -> None:
        self.max_bytes = max_bytes
        self.clock = clock
        self.reservations: set[Reservation] = set()
        self.held: defaultdict[Share, int] = defaultdict(int)
        self.requests: Counter[Share] = Counter()
        self.total = 0
        self.turned_away: dict[Share, float] = {}

    @contextmanager
    def reserve(self, share: Share) -> Iterator[Reservation]:
        """An empty reservation that `grow` fills; its bytes are free again when the block ends."""
        reservation = Reservation(share)
        self.reservations.add(reservation)
        self.requests[share] += 1
        try:
            yield reservation
        finally:
            self.reservations.remove(reservation)
            self.free(reservation)
            self.requests[share] -= 1
            if not self.requests[share]:
                del self.requests[share], self.held[share]

    def grow(self, reservation: Reservation, size: int) -> None:
        """Add so many bytes. The only request that holds any is always admitted. Raises Busy."""
        if reservation.lost:
            raise budget_exhausted()
        mine = self.held[reservation.share] + size
        if self.total > reservation.size:
            self.check_share(reservation.share, mine)
            while self.total + size > self.max_bytes:
                self.take_back(reservation.share, mine)
        reservation.size += size
        self.held[reservation.share] = mine
        self.total += size

    def check_share(self, share: Share, mine: int) -> None:
        since = self.clock() - REMEMBER_S
        self.turned_away = {each: at for each, at in self.turned_away.items() if at > since}
        others = self.turned_away.keys() - {share}
        if others and mine > self.max_bytes // len(others | self.held.keys()):
            raise budget_exhausted()

    def take_back(self, share: Share, mine: int) -> None:
        """End the largest body still being read of the caller that holds the most. Raises Busy if there is none."""
        greatest = max(self.held, key=lambda each: self.held[each])
        unread = [
            each for each in self.reservations if each.share == greatest and each.reading is not None and each.size
        ]
        if self.held[greatest] <= mine or not unread:
            self.turned_away[share] = self.clock()
            raise budget_exhausted()
        victim = max(unread, key=lambda each: each.size)
        victim.lost = True
        self.free(victim)
        assert victim.reading is not None
        victim.reading.reschedule(0)

    def free(self, reservation: Reservation) -> None:
        self.total -= reservation.size
        self.held[reservation.share] -= reservation.size
        reservation.size = 0


def budget_exhausted() -> Busy:
    return Busy("this server holds as many entries as it can", retry_after_s=1)
