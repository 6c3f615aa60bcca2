"""Whether this worker can do its work: looked at in the background, so that asking costs nothing and never waits."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec
import structlog
from temporalio.client import Client
from temporalio.worker import Worker

from trenova.codec.self_test import try_codec
from trenova.config import TASK_QUEUE
from trenova.errors import TrenovaError
from trenova.store import Store
from trenova.worker.metrics import set_database_status
from trenova.worker.polls import STARTING, Polls
from trenova.worker.store_gate import StoreGate

log = structlog.get_logger()

Check = Callable[[], Awaitable[str]]
"""Gives `ok` or what is wrong."""

PARTS = ("polls", "database", "keys")
CHECK_EVERY_S = 3.0
CHECK_LIMIT_S = 5.0
# On a machine that stalls.
STALL_S = 15.0


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """`ok`, or what is wrong, for each part that a worker needs."""

    ready: bool
    polls: str
    """Whether Temporal has seen this process ask for workflows and for activities, lately."""
    database: str
    keys: str
    """Whether this process can read what it encrypts. What others have sent is no part of this."""


@dataclass(slots=True)
class CheckResult:
    said: str = STARTING
    at: float = 0.0
    """By the monotonic clock."""


class Readiness:
    """One for each process. Nothing is ready until it was looked at, and nothing stays so that is not looked at."""

    def __init__(self) -> None:
        self.seen = {part: CheckResult() for part in PARTS}
        self.stopping = False

    def now(self) -> Ready:
        said = {part: self.of(part) for part in PARTS}
        return Ready(ready=not self.stopping and all(each == "ok" for each in said.values()), **said)

    def of(self, part: str) -> str:
        if self.stopping and part == "polls":
            return "this worker stops"
        seen = self.seen[part]
        late_s = time.monotonic() - seen.at - CHECK_EVERY_S
        return seen.said if seen.said != "ok" or late_s < CHECK_LIMIT_S + STALL_S else "not looked at for too long"

    async def watch(self, looks: Mapping[str, Check]) -> None:
        """Look at each part again and again until cancelled, none of them held up by another."""
        await asyncio.gather(*(self.watch_one(part, look) for part, look in looks.items()))

    async def watch_one(self, part: str, look: Check) -> None:
        seen = self.seen[part]
        while True:
            said = await run_check(look)
            if said != seen.said:
                if said == "ok":
                    log.info("worker part ready", part=part)
                else:
                    log.warning("worker part not ready", part=part, reason=said)
            seen.said, seen.at = said, time.monotonic()
            if part == "database":
                set_database_status(said)
            await asyncio.sleep(CHECK_EVERY_S)


async def run_check(look: Check) -> str:
    try:
        return await look()
    except Exception as error:  # a bug in a look must be seen, and must not end the others
        log.exception("worker part not looked at")
        return f"not known ({type(error).__name__})"


def checks_of(client: Client, store: Store, worker: Worker, gate: StoreGate) -> dict[str, Check]:
    """How each part is looked at."""

    async def keys() -> str:
        return await try_codec(client.data_converter.payload_codec)

    async def database() -> str:
        if gate.away is not None:
            return gate.away
        try:
            async with asyncio.timeout(CHECK_LIMIT_S):
                await store.check()
        except TimeoutError:
            return "the database is away: no answer in time"
        except TrenovaError as error:
            return error.message
        return "ok"

    return {"polls": Polls(client, TASK_QUEUE, worker).look, "database": database, "keys": keys}
