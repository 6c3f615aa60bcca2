"""How many bytes of bodies this process holds at once, and how its callers share them.

Bytes count as they are received: what a caller announces costs nothing. Nobody waits for room. Where there is none, it
is taken back from the caller who holds the most, while its body is still being read, or the one who asks is told to
come back. Who was told so is remembered for a moment, in which the others are held to an equal share each.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from trenova.config import MIB
from trenova.errors import Busy

# Entries are held several times over while they are read, sealed, encoded and sent: a fraction of the 300 MB that the
# process may grow to.
MAX_BYTES = 32 * MIB
# Clients are told to come back after a second. This is a few of those.
REMEMBER_S = 10

Share = tuple[str, str]
"""Whose request it is: what kind of caller, and which. A tenant may have any name, so the kind keeps them apart."""


@dataclass(slots=True, eq=False)
class Reservation:
    """What one request holds."""

    share: Share
    size: int = 0
    reading: asyncio.Timeout | None = None
    """While its body is being read: rescheduling it ends that."""
    lost: bool = False
    """Its room was given to another."""


class ByteBudget:
    def __init__(self, max_bytes: int = MAX_BYTES, clock: Callable[[], float] = time.monotonic) -> None:
        self.max_bytes = max_bytes
        self.clock = clock
        self.holds: set[Reservation] = set()
        self.held: defaultdict[Share, int] = defaultdict(int)
        self.requests: Counter[Share] = Counter()
        self.total = 0
        self.turned_away: dict[Share, float] = {}

    @contextmanager
    def hold(self, share: Share) -> Iterator[Reservation]:
        """Hold what `grow` asks for until the block ends."""
        hold = Reservation(share)
        self.holds.add(hold)
        self.requests[share] += 1
        try:
            yield hold
        finally:
            self.holds.remove(hold)
            self.shrink(hold)
            self.requests[share] -= 1
            if not self.requests[share]:
                del self.requests[share], self.held[share]

    def grow(self, hold: Reservation, size: int) -> None:
        """Hold so many bytes more. A request that is alone is always let in. Raises Busy."""
        if hold.lost:
            raise budget_exhausted()
        mine = self.held[hold.share] + size
        if self.total > hold.size:
            self.check_share(hold.share, mine)
            while self.total + size > self.max_bytes:
                self.take_back(hold.share, mine)
        hold.size += size
        self.held[hold.share] = mine
        self.total += size

    def check_share(self, share: Share, mine: int) -> None:
        since = self.clock() - REMEMBER_S
        self.turned_away = {each: at for each, at in self.turned_away.items() if at > since}
        others = self.turned_away.keys() - {share}
        if others and mine > self.max_bytes // len(others | self.held.keys()):
            raise budget_exhausted()

    def take_back(self, share: Share, mine: int) -> None:
        """End the largest body that is still being read of whoever holds the most."""
        greatest = max(self.held, key=lambda each: self.held[each])
        unread = [each for each in self.holds if each.share == greatest and each.reading is not None and each.size]
        if self.held[greatest] <= mine or not unread:
            self.turned_away[share] = self.clock()
            raise budget_exhausted()
        victim = max(unread, key=lambda each: each.size)
        victim.lost = True
        self.shrink(victim)
        assert victim.reading is not None
        victim.reading.reschedule(0)

    def shrink(self, hold: Reservation) -> None:
        self.total -= hold.size
        self.held[hold.share] -= hold.size
        hold.size = 0


def budget_exhausted() -> Busy:
    return Busy("this server holds as many entries as it can", retry_after_s=1)
