"""API keys that the database has confirmed lately, for the time while nobody reaches it.

They are written down with each answer of the database and read only while it is unreachable. Of a key's text nothing is
kept but the digest that the database has, too.
"""

import heapq
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from hmac import compare_digest

from trenova.store.api_keys import ApiKey, PresentedKey, Role

# Some 5 MB. Whoever has more keys in use is told 503 with those that were used the longest ago.
MAX_KEYS = 10_000
# So many are dropped at once that looking for whose they are costs the requests in between nothing.
DROPPED_TOGETHER = 100


def seconds_since_boot() -> float:
    """Seconds of a clock that nobody sets, and that goes on while the machine is suspended, where there is such a one.

    `time.monotonic` stands still then, and a key would be good for that much longer.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@dataclass(slots=True, kw_only=True)
class RememberedKey:
    id: str
    tenant: str | None
    role: Role
    digest: bytes = field(repr=False)
    confirmed_at: float
    """When the lookup began that found the key good, by the clock of `RememberedKeys`."""


class RememberedKeys:
    """At most `most`, each for `keep_s` seconds after it was last confirmed. With 0 seconds nothing is kept."""

    def __init__(self, keep_s: float, *, most: int = MAX_KEYS, clock: Callable[[], float] = seconds_since_boot) -> None:
        self.keep_s = keep_s
        self.most = most
        self.clock = clock
        self.keys: dict[str, RememberedKey] = {}
        self.of_tenant: defaultdict[str | None, OrderedDict[str, RememberedKey]] = defaultdict(OrderedDict)
        """The same keys, in the order in which they were confirmed."""

    def take(self, asked: Sequence[PresentedKey], answers: Sequence[ApiKey | None], confirmed_at: float) -> None:
        """What the database has said of these keys. Those that it does not know, or no longer, are forgotten."""
        if not self.keep_s:
            return
        for presented, answer in zip(asked, answers, strict=True):
            if answer is None:
                self.forget(presented)
            else:
                self.confirm(presented, answer, confirmed_at)

    def confirm(self, presented: PresentedKey, key: ApiKey, at: float) -> None:
        known = self.keys.get(key.id)
        if known is not None and (known.digest, known.tenant, known.role) == (presented.digest, key.tenant, key.role):
            known.confirmed_at = at
            self.of_tenant[known.tenant].move_to_end(key.id)
            return
        if known is not None:  # another database has been put in place of the one that knew it
            self.drop(known)
        self.add(RememberedKey(id=key.id, tenant=key.tenant, role=key.role, digest=presented.digest, confirmed_at=at))

    def add(self, key: RememberedKey) -> None:
        if len(self.keys) >= self.most:
            self.make_room()
        self.keys[key.id] = key
        self.of_tenant[key.tenant][key.id] = key

    def forget(self, presented: PresentedKey) -> None:
        """Only with the right secret: ids are no secret, and nobody else may have a key forgotten."""
        known = self.keys.get(presented.id)
        if known is not None and compare_digest(known.digest, presented.digest):
            self.drop(known)

    def drop(self, key: RememberedKey) -> None:
        del self.keys[key.id]
        keys = self.of_tenant[key.tenant]
        del keys[key.id]
        if not keys:
            del self.of_tenant[key.tenant]

    def make_room(self) -> None:
        """Drop what was confirmed the longest ago, each time of the tenant that has the most."""
        # Numbered, since None, any tenant, is not to be compared with a name.
        tenants = [(-len(keys), number, tenant) for number, (tenant, keys) in enumerate(self.of_tenant.items())]
        heapq.heapify(tenants)
        for _ in range(min(DROPPED_TOGETHER, len(self.keys))):
            count, number, tenant = heapq.heappop(tenants)
            self.drop(next(iter(self.of_tenant[tenant].values())))
            if count < -1:
                heapq.heappush(tenants, (count + 1, number, tenant))

    def find(self, presented: PresentedKey) -> RememberedKey | None:
        """The key, if it was confirmed within the last `keep_s` seconds."""
        known = self.keys.get(presented.id)
        if known is None or not compare_digest(known.digest, presented.digest) or not self.is_good(known):
            return None
        return known

    def is_good(self, key: RememberedKey) -> bool:
        return self.clock() - key.confirmed_at < self.keep_s

    def has_any(self, roles: AbstractSet[Role]) -> bool:
        """Whether a request with one of these roles could be let in."""
        return any(key.role in roles and self.is_good(key) for key in self.keys.values())
