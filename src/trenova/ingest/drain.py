"""Sends spooled batches to Temporal on its own, the oldest first.

Later batches do not wait for them. No order is lost by that: batches in flight at the same time overtake each other
anyway, an entry holds the times when it happened and when it was received, and its index gives the order of storage.
Waiting would delay every new entry as much as the last spooled one, and send it through the disk, too.
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

# A server that has just restarted is busy enough, and each of these batches is held in memory.
CONCURRENT_DELIVERIES = 4
PAUSE_S = 5.0


class Drain:
    """Calls `on_accepted` with the number of entries of each batch that Temporal has persisted."""

    def __init__(self, client: Client, spool: Spool, breaker: Breaker, on_accepted: Callable[[int], object]) -> None:
        self.client = client
        self.spool = spool
        self.breaker = breaker
        self.on_accepted = on_accepted

    async def run(self) -> None:
        """Deliver batches until cancelled. What is left stays in the folder for the next start."""
        while True:
            await self.spool.filled.wait()
            await self.breaker.reachable.wait()
            await self.deliver_waiting()
            if self.spool.filled.is_set():
                await asyncio.sleep(PAUSE_S)

    async def deliver_waiting(self) -> None:
        """Attempt each waiting batch once; stop early when Temporal is unavailable for all of them."""
        waiting = self.spool.oldest_first()
        for at in range(0, len(waiting), CONCURRENT_DELIVERIES):
            batch_ids = waiting[at : at + CONCURRENT_DELIVERIES]
            if not all(await asyncio.gather(*(self.deliver(batch_id) for batch_id in batch_ids))):
                break
        left = len(self.spool.file_bytes)
        log.info("spool not emptied" if left else "spool emptied", batches_left=left)

    async def deliver(self, batch_id: str) -> bool:
        """Start the batch and remove its file. False when Temporal is unavailable."""
        try:
            parcel = await self.spool.read(batch_id)
            if parcel is None:
                return True
            await self.breaker.unless_unreachable(partial(start, self.client, parcel))
        except Unavailable as error:
            log.warning("spooled batch waits", batch_id=batch_id, reason=error.message)
            return False
        except Exception as error:  # noqa: BLE001 - whatever it is, the batches behind it must not wait for it
            # The batch stays and is retried in every round. Only the type is logged: the message may hold content.
            reason = error.message if isinstance(error, RPCError) else type(error).__name__
            log.error("spooled batch failed", batch_id=batch_id, reason=reason)  # noqa: TRY400 - the stack may hold content
            return True
        # If we die here, or the answer to an earlier attempt was lost: the workflow runs, and the file is delivered
        # again under the same id, which starts nothing a second time.
        await self.spool.remove(batch_id)
        self.on_accepted(parcel.entries)
        log.debug("spooled batch accepted", batch_id=batch_id, entries=parcel.entries)
        return True
