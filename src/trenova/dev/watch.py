"""Processes that run and are of no use any more: seen by looking every few seconds, and told with the reason.

Looks are counted, not seconds: while the supervisor itself is stopped or the machine sleeps, nobody grows old.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import httpx

from trenova.dev import vitals
from trenova.dev.vitals import Key, Vital

LOOK_EVERY_S = 5.0
ANSWER_LIMIT_S = 5.0
# A minute at the least, and two when each answer is waited for: machines stall for less.
SILENT_LOOKS = 12
# Half a minute. PostgreSQL itself gives its processes five seconds to end before it kills them and starts anew.
ABANDONED_LOOKS = 6
# Ten minutes. A process that is there may wait for what nobody sees from here.
STILL_LOOKS = 120

# "postgres: startup recovering 0000…", with the name of a cluster before it where it has one.
STARTUP = re.compile(r"^postgres: (\S+: )?startup( |$)")
# They keep the house, and do so whether anybody brings the server up or not.
HOUSEKEEPER = r"background writer|walwriter|logger|(autovacuum|logical replication) launcher"
WORKING = re.compile(rf"^postgres: (?!(\S+: )?({HOUSEKEEPER}))")
COMES_UP = re.compile(r"in recovery mode|starting up|not yet accepting|not accepting")


class Watch(Protocol):
    """Judges one run of a part; made anew for each."""

    async def look(self, pid: int) -> str | None:
        """Why the process is of no use any more, once that is beyond doubt; None as long as it is not."""


class Silence:
    """For a process that answers questions: of no use when it answers none for minutes, unless somebody holds it."""

    def __init__(self, answers: Callable[[], Awaitable[bool]]) -> None:
        self._answers = answers
        self._silent = 0

    async def look(self, pid: int) -> str | None:
        if await self._answers() or vitals.is_held(pid):
            self._silent = 0
            return None
        self._silent += 1
        if self._silent < SILENT_LOOKS:
            return None
        return f"runs, and has answered nothing at {self._silent} looks in a row"


class Recovery:
    """For PostgreSQL, which may let nobody in for hours while it recovers, and does so with good reason.

    It is of no use when nothing is left that could bring it up: a server that recovers and has no startup process. And,
    much later, when what is left gets nowhere: it uses neither a processor nor the disk, and nobody holds it.
    """

    def __init__(self, refusal: Callable[[], Awaitable[str | None]]) -> None:
        self._refusal = refusal
        self._before: Mapping[Key, Vital] = {}
        self._still = 0

    async def look(self, pid: int) -> str | None:
        said = await self._refusal()
        if said is None:
            self._before, self._still = {}, 0
            return None
        now = vitals.of([pid, *vitals.children(pid)])
        before, self._before = self._before, now
        if not before or works(before, now):
            self._still = 0
            return None
        self._still += 1
        return self._judge(said, now)

    def _judge(self, said: str, now: Mapping[Key, Vital]) -> str | None:
        recovers = any(STARTUP.search(vital.title) for vital in now.values())
        if COMES_UP.search(said) and not recovers:
            limit, why = ABANDONED_LOOKS, "it has no startup process that could bring it up"
        else:
            limit, why = STILL_LOOKS, "none of its processes gets anywhere"
        if self._still < limit:
            return None
        return f"lets nobody in ({said}), and {why}: seen {self._still} times in a row"


def works(before: Mapping[Key, Vital], now: Mapping[Key, Vital]) -> bool:
    """Whether a process of the server got anywhere since the look before, or is held, and so cannot be judged.

    Those born since were born to refuse somebody, and the server itself forks for each who asks: neither is work.
    """
    if any(vital.is_held for vital in now.values()):
        return True
    workers = {key: vital for key, vital in now.items() if key in before and WORKING.search(vital.title)}
    return any(vital.works_since(before[key]) for key, vital in workers.items())


async def responds(url: str) -> bool:
    """Whether anything at all comes back: what it says is for others to judge."""
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=ANSWER_LIMIT_S) as client:
            await client.get(url)
    except httpx.HTTPError:
        return False
    return True
