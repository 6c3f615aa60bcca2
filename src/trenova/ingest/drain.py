"""Spooled batches into Temporal, the oldest first, by themselves.

Later batches do not wait for them. No order is lost by that: batches that are under way at the same time overtake each
other anyway, an entry says itself when it happened and when it was received, and its index says when it was stored.
Waiting would make everybody's next entries as late as the last spooled one, and send them through the disk for it.
"""

import asyncio
from collections.abc import Callable
from functools import partial

import structlog
from temporalio.client import Client
from temporalio.service import RPCError

from trenova.errors import Unavailable
from trenova.ingest.breaker import Breaker
from trenova.ingest.spool import Spool
from trenova.ingest.start import start

log = structlog.get_logger()

# A server that has just come back has enough to do, and each of these is held in memory.
CONCURRENT_DELIVERIES = 4
PAUSE_S = 5.0


class Drain:
    """`accepted` is told of the entries of each batch that Temporal has persisted."""

    def __init__(self, client: Client, spool: Spool, breaker: Breaker, accepted: Callable[[int], object]) -> None:
        self.client = client
        self.spool = spool
        self.breaker = breaker
        self.accepted = accepted

    async def run(self) -> None:
        """Until it is cancelled. Whatever is left then is in the folder, for the next start."""
        while True:
            await self.spool.filled.wait()
            await self.breaker.reachable.wait()
            await self.round()
            if self.spool.filled.is_set():
                await asyncio.sleep(PAUSE_S)

    async def round(self) -> None:
        """One attempt at each batch that waits; ended by the first that says that others would fare no better."""
        waiting = self.spool.oldest_first()
        for at in range(0, len(waiting), CONCURRENT_DELIVERIES):
            if not all(
                await asyncio.gather(*(self.deliver(batch_id) for batch_id in waiting[at : at + CONCURRENT_DELIVERIES]))
            ):
                break
        log.info("spool emptied" if not self.spool.room else "spool not emptied", batches_left=len(self.spool.room))

    async def deliver(self, batch_id: str) -> bool:
        """Start the batch and remove its file. False when Temporal takes nothing."""
        try:
            parcel = await self.spool.read(batch_id)
            if parcel is None:
                return True
            await self.breaker.unless_away(partial(start, self.client, parcel))
        except Unavailable as error:
            log.warning("spooled batch waits", batch_id=batch_id, reason=error.message)
            return False
        except Exception as error:  # noqa: BLE001 - whatever it was, those behind it must not wait for it
            # It stays, and is tried again in every round. Named, not shown: messages may hold what they are about.
            reason = error.message if isinstance(error, RPCError) else type(error).__name__
            log.error("spooled batch refused", batch_id=batch_id, reason=reason)  # noqa: TRY400 - as said
            return True
        # Dying here, or with the answer of an earlier try lost: the workflow runs, and the file is delivered again
        # under the same id, which starts nothing a second time.
        await self.spool.remove(batch_id)
        self.accepted(parcel.entries)
        log.debug("spooled batch accepted", batch_id=batch_id, entries=parcel.entries)
        return True
