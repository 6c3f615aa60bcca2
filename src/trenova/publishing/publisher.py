"""Looking again and again, for each witness and for the folder on its own, while the worker runs."""

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
LONGEST_PAUSE_S = 300  # between two tries of what is away
# A look goes over all logs, 100,000 of them in 0.8 s: it shall not keep the database busy.
REST_PER_ROUND_SECOND = 10
LONGEST_REST_S = 60


@asynccontextmanager
async def publishing(
    ledger: LedgerSettings, witnesses: Sequence[WitnessClient], database_url: str
) -> AsyncIterator[None]:
    """Publish until the block ends. What that cuts off is done by the next look, here or in another worker."""
    # Connections of its own, made when they are needed: a slow witness never keeps one from an entry.
    connections = 2 * len(witnesses) + cosigning.MAX_CONCURRENT_REQUESTS
    async with Store.open(database_url, pool_size=connections) as store, httpx.AsyncClient() as http:
        looks: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            (each.key.name, WitnessPublisher(witness=each, prefix=ledger.origin, store=store, http=http).look)
            for each in witnesses
        ]
        if ledger.publish_folder is not None:
            folder = FolderPublisher(path=ledger.publish_folder, prefix=ledger.origin, store=store)
            looks.append((str(folder.path), folder.look))

        async def measure() -> None:
            """What is refused, from the database: the worker that was told of it may be another."""
            counts = await store.checkpoint_conflicts.count(ledger.origin, [FOLDER, *(each.id for each in witnesses)])
            PUBLISHING_REFUSED.set(counts.pop(FOLDER, 0))
            WITNESS_REFUSED.set(sum(counts.values()))

        tasks = [asyncio.create_task(repeat_rounds(name, look, measure)) for name, look in looks]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            PUBLISHING_AWAY.set(0)


async def repeat_rounds(name: str, look: Callable[[], Awaitable[None]], measure: Callable[[], Awaitable[None]]) -> None:
    """Look every few seconds; after a failure pause longer and longer, and say so once."""
    pause: float = ROUND_EVERY_S
    failed = False
    while True:
        began = time.monotonic()
        try:
            await look()
        except Unavailable as error:
            if not failed:
                log.warning("publishing waits", to=name, error=error.message, hint=error.hint)
            PUBLISHING_AWAY.inc(not failed)
            failed, pause = True, min(2 * pause, LONGEST_PAUSE_S)
        except Exception:  # a bug here must be seen, and must not stop the worker
            log.exception("publishing failed", to=name)
            PUBLISHING_AWAY.inc(not failed)
            failed, pause = True, min(2 * pause, LONGEST_PAUSE_S)
        else:
            if failed:
                log.info("publishing goes on", to=name)
                PUBLISHING_AWAY.dec()
            failed = False
            took_s = time.monotonic() - began
            pause = min(max(ROUND_EVERY_S, REST_PER_ROUND_SECOND * took_s), LONGEST_REST_S)
        with suppress(TrenovaError):  # then the last numbers stay
            await measure()
        await asyncio.sleep(pause)
