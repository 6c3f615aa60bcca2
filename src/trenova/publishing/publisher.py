"""Publishing in rounds while the worker runs, independently for each witness and the folder."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import httpx
import structlog

from trenova.config import LedgerSettings
from trenova.errors import TrenovaError, Unavailable
from trenova.publishing import cosigning
from trenova.publishing.cosigning import WitnessPublisher
from trenova.publishing.folder import FolderPublisher
from trenova.publishing.instruments import PUBLISHING_AWAY, PUBLISHING_REFUSED, WITNESS_REFUSED
from trenova.publishing.witnesses import WitnessClient
from trenova.store import Store
from trenova.store.checkpoint_conflicts import FOLDER

log = structlog.get_logger()

ROUND_EVERY_S = 2
LONGEST_PAUSE_S = 300  # between two attempts while a part is unreachable
# A round reads all ledgers, 100,000 of them in 0.8 s: rounds must not keep the database busy.
REST_PER_ROUND_SECOND = 10
LONGEST_REST_S = 60


@asynccontextmanager
async def publishing(
    ledger: LedgerSettings, witnesses: Sequence[WitnessClient], database_url: str
) -> AsyncIterator[None]:
    """Publish until the block ends. The next round, here or in another worker, finishes an interrupted one."""
    # A separate pool, filled on demand: a slow witness never takes a connection from storing.
    connections = 2 * len(witnesses) + cosigning.MAX_CONCURRENT_REQUESTS
    async with Store.open(database_url, pool_size=connections) as store, httpx.AsyncClient() as http:
        rounds: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            (each.key.name, WitnessPublisher(witness=each, prefix=ledger.origin, store=store, http=http).run_round)
            for each in witnesses
        ]
        if ledger.publish_folder is not None:
            folder = FolderPublisher(path=ledger.publish_folder, prefix=ledger.origin, store=store)
            rounds.append((str(folder.path), folder.run_round))

        async def measure() -> None:
            """Count the conflicts in the database, since another worker may have recorded them."""
            counts = await store.checkpoint_conflicts.count(ledger.origin, [FOLDER, *(each.id for each in witnesses)])
            PUBLISHING_REFUSED.set(counts.pop(FOLDER, 0))
            WITNESS_REFUSED.set(sum(counts.values()))

        tasks = [asyncio.create_task(repeat_rounds(name, run_round, measure)) for name, run_round in rounds]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            PUBLISHING_AWAY.set(0)


async def repeat_rounds(
    name: str, run_round: Callable[[], Awaitable[None]], measure: Callable[[], Awaitable[None]]
) -> None:
    """Run a round every few seconds; pause longer after each failure, and log only the first."""
    pause: float = ROUND_EVERY_S
    failed = False
    while True:
        began = time.monotonic()
        try:
            await run_round()
        except Unavailable as error:
            if not failed:
                log.warning("publishing waits", to=name, error=error.message, hint=error.hint)
            PUBLISHING_AWAY.inc(not failed)
            failed, pause = True, min(2 * pause, LONGEST_PAUSE_S)
        except Exception:  # a bug must be logged, and must not stop the worker
            log.exception("publishing failed", to=name)
            PUBLISHING_AWAY.inc(not failed)
            failed, pause = True, min(2 * pause, LONGEST_PAUSE_S)
        else:
            if failed:
                log.info("publishing resumed", to=name)
                PUBLISHING_AWAY.dec()
            failed = False
            took_s = time.monotonic() - began
            pause = min(max(ROUND_EVERY_S, REST_PER_ROUND_SECOND * took_s), LONGEST_REST_S)
        with suppress(TrenovaError):  # then the metrics keep their last values
            await measure()
        await asyncio.sleep(pause)
