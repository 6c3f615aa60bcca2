"""Detects processes that run but are stuck, by checking every few seconds, and reports the reason.

Checks are counted, not seconds: while the supervisor itself is stopped or the machine sleeps, no time passes for them.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import httpx

from trenova.dev import process_state
from trenova.dev.process_state import Key, ProcessState
from trenova.runtime.http.loopback import loopback_client

CHECK_EVERY_S = 5.0
ANSWER_LIMIT_S = 5.0
# At least a minute, and two when each check waits for its answer: machines stall for less.
SILENT_CHECKS = 12
# Half a minute. PostgreSQL itself gives its processes five seconds to end before it kills them and restarts.
ABANDONED_CHECKS = 6
# Ten minutes. A process may be waiting for something that cannot be seen from here.
IDLE_CHECKS = 120

# "postgres: startup recovering 0000…", after the name of the cluster where it has one.
STARTUP = re.compile(r"^postgres: (\S+: )?startup( |$)")
# Background processes, which run whether or not the server is coming up.
HOUSEKEEPER = r"background writer|walwriter|logger|(autovacuum|logical replication) launcher"
WORKING = re.compile(rf"^postgres: (?!(\S+: )?({HOUSEKEEPER}))")
COMING_UP = re.compile(r"in recovery mode|starting up|not yet accepting|not accepting")


class Watchdog(Protocol):
    """Watches one run of a part; a new one is made for each run."""

    async def check(self, pid: int) -> str | None:
        """Why the process is stuck, once that is beyond doubt; None until then."""


class AnswerWatchdog:
    """For a process that answers requests: stuck when it answers none for minutes and is not suspended."""

    def __init__(self, answers: Callable[[], Awaitable[bool]]) -> None:
        self._answers = answers
        self._silent = 0

    async def check(self, pid: int) -> str | None:
        if await self._answers() or process_state.is_suspended(pid):
            self._silent = 0
            return None
        self._silent += 1
        if self._silent < SILENT_CHECKS:
            return None
        return f"is running but has not answered {self._silent} checks in a row"


class PostgresWatchdog:
    """For PostgreSQL, which may rightly accept no connections for hours while it recovers.

    It is stuck when it is recovering without a startup process, because then nothing can bring it up. It is also stuck,
    much later, when none of its processes uses a processor or the disk, and none is suspended.
    """

    def __init__(self, problem: Callable[[], Awaitable[str | None]]) -> None:
        self._connection_problem = problem
        self._before: Mapping[Key, ProcessState] = {}
        self._idle = 0

    async def check(self, pid: int) -> str | None:
        problem = await self._connection_problem()
        if problem is None:
            self._before, self._idle = {}, 0
            return None
        now = process_state.states_of([pid, *process_state.children(pid)])
        before, self._before = self._before, now
        if not before or made_progress(before, now):
            self._idle = 0
            return None
        self._idle += 1
        return self._reason(problem, now)

    def _reason(self, problem: str, now: Mapping[Key, ProcessState]) -> str | None:
        has_startup = any(STARTUP.search(state.title) for state in now.values())
        if COMING_UP.search(problem) and not has_startup:
            limit, why = ABANDONED_CHECKS, "it has no startup process that could bring it up"
        else:
            limit, why = IDLE_CHECKS, "none of its processes makes progress"
        if self._idle < limit:
            return None
        return f"accepts no connections ({problem}), and {why}: seen {self._idle} times in a row"


def made_progress(before: Mapping[Key, ProcessState], now: Mapping[Key, ProcessState]) -> bool:
    """Whether a process of the server made progress since the previous check, or is suspended and cannot be judged.

    New processes do not count, as the server forks one for each connection attempt; nor does the server itself,
    which forks them.
    """
    if any(state.is_suspended for state in now.values()):
        return True
    workers = {key: state for key, state in now.items() if key in before and WORKING.search(state.title)}
    return any(state.progressed_since(before[key]) for key, state in workers.items())


async def responds(url: str) -> bool:
    """Whether any response comes back, whatever its status."""
    try:
        async with loopback_client(timeout_s=ANSWER_LIMIT_S) as client:
            await client.get(url)
    except httpx.HTTPError:
        return False
    return True
