"""Remembers API keys that the database confirmed recently, for the time while it is unreachable.

Each answer of the database updates them; they are read only while it is unreachable. Of a key's text only the digest
is kept, which the database has, too.
"""

import heapq
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from hmac import compare_digest

from trenova.store.api_keys import ApiKey, PresentedKey, Role

# Some 5 MB. With more keys in use, those used the longest ago are answered 503.
MAX_KEYS = 10_000
# So many are dropped together that finding the tenant with the most keys costs little per request.
DROPPED_TOGETHER = 100


def seconds_since_boot() -> float:
    """Seconds of a clock that cannot be set and, where the system has one, also counts while it is suspended.

    `time.monotonic` stops then, and a key would stay valid for that much longer.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@dataclass(slots=True, kw_only=True)
class RememberedKey:
    id: str
    tenant: str | None
    role: Role
    digest: bytes = field(repr=False)
    confirmed_at: float
    """When the lookup began that confirmed the key, by the clock of `RememberedKeys`."""


class RememberedKeys:
    """At most `max_keys`, each for `keep_s` seconds after it was last confirmed. With 0 seconds nothing is kept."""

    def __init__(
        self, keep_s: float, *, max_keys: int = MAX_KEYS, clock: Callable[[], float] = seconds_since_boot
    ) -> None:
        self.keep_s = keep_s
        self.max_keys = max_keys
        self.clock = clock
        self.keys: dict[str, RememberedKey] = {}
        self.of_tenant: defaultdict[str | None, OrderedDict[str, RememberedKey]] = defaultdict(OrderedDict)
        """The same keys, in the order in which they were confirmed."""

    def update(self, keys: Sequence[PresentedKey], answers: Sequence[ApiKey | None], confirmed_at: float) -> None:
        """Remember the keys that the database has confirmed, and forget those that it does not know."""
        if not self.keep_s:
            return
        for presented, answer in zip(keys, answers, strict=True):
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
        if known is not None:  # another database has replaced the one that knew it
            self.drop(known)
        self.add(RememberedKey(id=key.id, tenant=key.tenant, role=key.role, digest=presented.digest, confirmed_at=at))

    def add(self, key: RememberedKey) -> None:
        if len(self.keys) >= self.max_keys:
            self.make_room()
        self.keys[key.id] = key
        self.of_tenant[key.tenant][key.id] = key

    def forget(self, presented: PresentedKey) -> None:
        """Forget the key, if the secret is right: ids are not secret, and must not be enough to make it forget one."""
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
        if known is None or not compare_digest(known.digest, presented.digest) or not self.is_valid(known):
            return None
        return known

    def is_valid(self, key: RememberedKey) -> bool:
        return self.clock() - key.confirmed_at < self.keep_s

    def has_any(self, roles: AbstractSet[Role]) -> bool:
        """Whether any remembered key has one of these roles."""
        return any(key.role in roles and self.is_valid(key) for key in self.keys.values())
