"""Whether this process can decrypt the payloads of open workflows. A workflow that it cannot decrypt is silently stuck.

An alarm, not a part of readiness: anyone with access to the namespace can start a workflow with an unreadable payload,
and must not be able to take processes out of service that way.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import structlog
from prometheus_client import Gauge
from temporalio.client import Client
from temporalio.service import RPCError

from trenova.codec.key_usage.open_workflows import examine_open_workflows

log = structlog.get_logger()

KEYS_WRONG = Gauge("trenova_keys_wrong", "1 when an open workflow holds a payload that this process cannot decrypt")

TIMEOUT_S = 5
CHECK_AGAIN_S = 10.0
WATCH_EVERY_S = 30.0
MAX_WORKFLOWS = 10
# Temporal lists the latest first, and under load a stuck workflow is among the latest only for a moment.
STUCK_AFTER = timedelta(minutes=1)


class KeyWatch:
    """Tries the keys on open workflows, at most once in CHECK_AGAIN_S however often `check` is called."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.result = "ok"
        self.checked_at = -CHECK_AGAIN_S
        self.lock = asyncio.Lock()

    async def check(self) -> str:
        """`ok`, or why workflows are stuck. Sets the metric."""
        async with self.lock:
            if time.monotonic() - self.checked_at >= CHECK_AGAIN_S:
                self.note(await self.ask())
                self.checked_at = time.monotonic()
            return self.result

    def note(self, result: str) -> None:
        if result != self.result:
            if result == "ok":
                log.info("open workflows can be read again")
            else:
                log.error("open workflows cannot be read", reason=result, hint="`trenova doctor` names them")
        self.result = result
        KEYS_WRONG.set(result != "ok")

    async def ask(self) -> str:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                latest = await examine_open_workflows(self.client, most=MAX_WORKFLOWS)
                before = datetime.now(UTC) - STUCK_AFTER
                older = await examine_open_workflows(self.client, most=MAX_WORKFLOWS, started_before=before)
        except (RPCError, RuntimeError, TimeoutError):
            return self.result  # an unreachable Temporal is reported elsewhere, and says nothing about the keys
        except Exception:  # a bug, or odd data in Temporal, must stop neither the worker nor the metrics page
            log.exception("open workflows not checked")
            return self.result
        reasons = sorted({*latest.troubles, *older.troubles})
        return "open workflows wait: " + "; ".join(reasons) if reasons else "ok"

    async def watch(self) -> None:
        """Check every WATCH_EVERY_S until cancelled, for a process in which nothing else calls `check`."""
        while True:
            await self.check()
            await asyncio.sleep(WATCH_EVERY_S)
