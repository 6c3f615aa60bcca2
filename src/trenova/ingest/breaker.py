"""Whether Temporal is away: found out by asking it, so that requests need not wait for what will not come."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextvars import Context
from datetime import timedelta
from typing import TypeVar

import structlog
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError

from trenova.errors import TemporalAway
from trenova.ingest.start import AMBIGUOUS

log = structlog.get_logger()

# A start takes milliseconds, a large one on a busy server a second. One that takes longer raises a doubt, no more.
DOUBT_AFTER_S = 2.0
PROBE_TIMEOUT = timedelta(seconds=3)
# The probe that opens is not the first without an answer: a machine that stalls for a moment misses one.
UNANSWERED = 2
PROBE_EVERY_S = 1.0
# There is no such workflow. To say so Temporal must look into its database, which its health check does not.
NOBODY = "trenova-probe"

Answer = TypeVar("Answer")


class Breaker:
    """`away` or `reachable`, and one probe that finds out which, when there is a doubt and until it is answered.

    What a start tells is its own affair: it may be large, or its shard busy. So a start that is slow or fails raises a
    doubt, and only unanswered probes say that Temporal is away. They ask something small that goes the whole way to
    Temporal's database. A Temporal that reads but cannot write answers them: then each start fails for itself.
    """

    def __init__(self, client: Client, changed: Callable[[], None]) -> None:
        self.client = client
        self.changed = changed
        self.away = asyncio.Event()
        self.reachable = asyncio.Event()
        self.reachable.set()
        self.asking: asyncio.Task[None] | None = None

    async def watched(self, start: Callable[[], Awaitable[Answer]]) -> Answer:
        """The start's answer, however long it tries."""
        doubt = asyncio.get_running_loop().call_later(DOUBT_AFTER_S, self.doubt)
        try:
            return await start()
        except TemporalAway:
            self.doubt()
            raise
        finally:
            doubt.cancel()

    async def unless_away(self, start: Callable[[], Awaitable[Answer]]) -> Answer:
        """The start's answer, or TemporalAway as soon as that is known: then nobody knows what became of the start."""
        if self.away.is_set():
            raise TemporalAway("Temporal is away")
        starting = asyncio.ensure_future(self.watched(start))
        away = asyncio.ensure_future(self.away.wait())
        try:
            await asyncio.wait({starting, away}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                return starting.result()
            raise TemporalAway("Temporal is away")
        finally:
            starting.cancel()
            away.cancel()

    def doubt(self) -> None:
        if self.asking is None:
            # In a context of its own: what it finds is not about the request that raised the doubt.
            self.asking = asyncio.create_task(self.ask(), context=Context())

    async def ask(self) -> None:
        """Ask until there is an answer."""
        try:
            unanswered = 0
            while not await self.answers():
                unanswered += 1
                if unanswered == UNANSWERED:
                    log.warning("temporal is away")
                    self.reachable.clear()
                    self.away.set()
                    self.changed()
                await asyncio.sleep(PROBE_EVERY_S)
        finally:
            self.asking = None
        if self.away.is_set():
            log.info("temporal is back")
            self.away.clear()
            self.reachable.set()
            self.changed()

    async def answers(self) -> bool:
        question = DescribeWorkflowExecutionRequest(
            namespace=self.client.namespace, execution=WorkflowExecution(workflow_id=NOBODY)
        )
        try:
            # The call's own limit does not cover a connection that is made first.
            async with asyncio.timeout(PROBE_TIMEOUT.total_seconds()):
                await self.client.workflow_service.describe_workflow_execution(question, timeout=PROBE_TIMEOUT)
        except RPCError as error:
            return error.status not in AMBIGUOUS
        except (RuntimeError, TimeoutError):
            return False
        return True

    async def stop(self) -> None:
        if self.asking is not None:
            self.asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.asking
