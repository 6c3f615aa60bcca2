"""Whether this worker can do its work, by checks in the background: `/readyz` costs nothing and never waits."""

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
"""Returns `ok` or what is wrong."""

PARTS = ("polls", "database", "keys")
CHECK_EVERY_S = 3.0
CHECK_LIMIT_S = 5.0
# How much later a result may come on a machine that stalls.
STALL_S = 15.0


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """`ok`, or what is wrong, for each part that a worker needs."""

    ready: bool
    polls: str
    """Whether Temporal has recently seen this process poll for workflows and for activities."""
    database: str
    keys: str
    """Whether this process can decrypt what it encrypts. What others have sent does not count."""


@dataclass(slots=True)
class CheckResult:
    status: str = STARTING
    at: float = 0.0
    """By the monotonic clock."""


class Readiness:
    """The readiness of this process. No part is ready before its first check, nor when its last one is too old."""

    def __init__(self) -> None:
        self.results = {part: CheckResult() for part in PARTS}
        self.stopping = False

    def current(self) -> Ready:
        statuses = {part: self.status_of(part) for part in PARTS}
        return Ready(ready=not self.stopping and all(each == "ok" for each in statuses.values()), **statuses)

    def status_of(self, part: str) -> str:
        if self.stopping and part == "polls":
            return "this worker is stopping"
        result = self.results[part]
        late_s = time.monotonic() - result.at - CHECK_EVERY_S
        is_current = late_s < CHECK_LIMIT_S + STALL_S
        return result.status if result.status != "ok" or is_current else "the last check is too old"

    async def watch(self, checks: Mapping[str, Check]) -> None:
        """Run the checks of all parts repeatedly and independently of each other, until cancelled."""
        await asyncio.gather(*(self.watch_one(part, check) for part, check in checks.items()))

    async def watch_one(self, part: str, check: Check) -> None:
        result = self.results[part]
        while True:
            status = await run_check(check)
            if status != result.status:
                if status == "ok":
                    log.info("worker part ready", part=part)
                else:
                    log.warning("worker part not ready", part=part, reason=status)
            result.status, result.at = status, time.monotonic()
            if part == "database":
                set_database_status(status)
            await asyncio.sleep(CHECK_EVERY_S)


async def run_check(check: Check) -> str:
    try:
        return await check()
    except Exception as error:  # a bug in a check must be logged, and must not end the others
        log.exception("worker check failed")
        return f"unknown: the check failed with {type(error).__name__}"


def checks_of(client: Client, store: Store, worker: Worker, gate: StoreGate) -> dict[str, Check]:
    """The check of each part."""

    async def check_keys() -> str:
        return await try_codec(client.data_converter.payload_codec)

    async def check_database() -> str:
        if gate.outage is not None:
            return gate.outage
        try:
            async with asyncio.timeout(CHECK_LIMIT_S):
                await store.check()
        except TimeoutError:
            return "the database is unreachable: no answer in time"
        except TrenovaError as error:
            return error.message
        return "ok"

    return {"polls": Polls(client, TASK_QUEUE, worker).check, "database": check_database, "keys": check_keys}
