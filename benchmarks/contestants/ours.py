"""Trenova from end to end: HTTP in, group commit, Temporal, worker, one transaction a batch, entries stored.

Seconds go from the first request sent to the moment the last batch is seen in `batches` by a reader that asks every ten
milliseconds; what the reader costs PostgreSQL counts against us. API key, checks, sealing, idempotency, numbering
without gaps and the fair queue are all on, which no other contestant has.
"""

import asyncio
import random
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import psycopg
from benchmarks import load
from benchmarks.entries import request_bodies
from benchmarks.load import Job, SentRequest, Stream
from benchmarks.measurement import Measurement, times
from benchmarks.meter import measuring
from benchmarks.servers import Trenova
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from trenova.domain.batch import workflow_id
from trenova.domain.reserved import SYSTEM_TENANT

NOTE = "HTTP in → stored; API key, checks, sealing, durable acknowledgement, exactly once, numbered without gaps"
LIMIT_S = 1800
LOOK_EVERY_S = 0.01
# Histories are fetched one by one after the run; this many are a sufficient sample.
HISTORIES = 40
# What Temporal Cloud bills: starts, activities, markers (all local activities of a task are one), timers.
BILLED = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
    EventType.EVENT_TYPE_MARKER_RECORDED,
    EventType.EVENT_TYPE_TIMER_STARTED,
}
# Without the system's own entries, one for each API key of a sender.
SEEN = f"""
SELECT b.batch_id, b.tenant, b.stored, pg_snapshot_xmin(pg_current_snapshot())::text
FROM (SELECT) AS one LEFT JOIN batches AS b ON b.xid >= %s::text::xid8 AND b.tenant <> '{SYSTEM_TENANT}'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """One client of the API, with its own tenant or several tenants in turn."""

    requests: int
    entries_each: int = 1
    connections: int = 1
    rate: float | None = None
    """Requests a second, whatever the answers take; None: each connection sends when it has its answer."""
    tenants: int = 1
    tenant: str | None = None
    """The tenant; None: a new one."""
    watched: bool = True
    """Whether its times are part of the measurement."""

    @property
    def entries(self) -> int:
        return self.requests * self.entries_each


async def run(
    trenova: Trenova, name: str, senders: Sequence[Sender], *, empty: bool = True, histories: int = HISTORIES
) -> Measurement:
    """Send it all and return when it is stored. `empty`: begin with empty tables."""
    servers = trenova.servers
    if empty:
        await servers.empty_log()
    streams = [await stream_of(trenova, number, sender) for number, sender in enumerate(senders)]
    job = Job(port=trenova.port, path="/v1/entries", streams=streams, limit_s=LIMIT_S)
    expected = sum(sender.entries for sender in senders)
    async with measuring(trenova.pids) as meter, watching(servers.postgres.owner_url, expected) as watcher:
        sent = await load.send(servers.folder, job)
        await watcher.wait_until_stored(LIMIT_S)
    watched = {stream.name for stream, sender in zip(streams, senders, strict=True) if sender.watched}
    requests = [request for request in sent.requests if request.stream in watched]
    actions, size = await cost(servers.client, watcher.batches, histories)
    return Measurement(
        contestant=name,
        entries=expected,
        seconds=max(watcher.at.values()) - min(request.due for request in sent.requests),
        acknowledged=times(request.acknowledged - request.due for request in requests),
        stored_after=times(stored_after(request, watcher.at) for request in requests),
        cpu_s=meter.cpu_s | {"load generator": sent.cpu_s},
        peak_mib=meter.peak_mib,
        actions=actions,
        history_bytes=size,
        refused=sent.refused,
    )


async def warm_up(trenova: Trenova) -> None:
    """Send requests that are not measured: a new process imports, connects and grows with its first requests."""
    senders = [Sender(requests=8, entries_each=250, connections=4), Sender(requests=200, connections=16)]
    await run(trenova, "warm-up", senders, histories=0)


async def stream_of(trenova: Trenova, number: int, sender: Sender) -> Stream:
    several = [sender.tenant or f"t-{uuid.uuid4().hex[:12]}" for _ in range(sender.tenants)]
    key = await trenova.servers.new_key(several[0] if sender.tenants == 1 else None)
    tenants = [None] if sender.tenants == 1 else several
    file = trenova.servers.folder / f"bodies-{number}"
    load.write_bodies(file, request_bodies(sender.requests, sender.entries_each, tenants=tenants))
    return Stream(
        name=str(number),
        headers={"Authorization": f"Bearer {key}"},
        bodies=str(file),
        connections=sender.connections,
        rate=sender.rate,
    )


def stored_after(request: SentRequest, seen_at: Mapping[str, float]) -> float:
    """A batch may be stored before its acknowledgement has reached the client."""
    return max(0.0, max(seen_at[batch_id] for batch_id in request.batch_ids) - request.acknowledged)


class Watcher:
    """Records when batches become visible. Reads from the oldest transaction that was open at the last query."""

    def __init__(self, connection: psycopg.AsyncConnection[tuple[str, str, int, str]], expected: int) -> None:
        self.connection = connection
        self.expected = expected
        self.at: dict[str, float] = {}
        self.parts: dict[tuple[str, str], int] = {}
        self.from_xid = ""
        self.looking: asyncio.Task[None] | None = None

    @property
    def batches(self) -> dict[str, int]:
        """Entries of each batch."""
        sums: dict[str, int] = {}
        for (batch_id, _), stored in self.parts.items():
            sums[batch_id] = sums.get(batch_id, 0) + stored
        return sums

    async def __aenter__(self) -> Self:
        found = await self.connection.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")
        row = await found.fetchone()
        assert row is not None
        self.from_xid = row[0]
        self.looking = asyncio.create_task(self.look())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.looking is not None
        self.looking.cancel()
        await asyncio.gather(self.looking, return_exceptions=True)
        await self.connection.close()

    async def look(self) -> None:
        while sum(self.parts.values()) < self.expected:
            found = await self.connection.execute(SEEN, (self.from_xid,))
            seen = await found.fetchall()
            now = time.monotonic()
            for batch_id, tenant, stored, xmin in seen:
                self.from_xid = xmin
                if batch_id is not None:
                    self.parts[batch_id, tenant] = stored
                    self.at.setdefault(batch_id, now)
            await asyncio.sleep(LOOK_EVERY_S)

    async def wait_until_stored(self, limit_s: float) -> None:
        assert self.looking is not None
        try:
            async with asyncio.timeout(limit_s):
                await asyncio.shield(self.looking)
        except TimeoutError:
            raise RuntimeError(
                f"{sum(self.parts.values()):,} of {self.expected:,} entries stored after {limit_s:.0f} s"
            ) from None


class watching:  # noqa: N801 - reads as a verb, like `measuring`
    """`async with watching(url, entries) as watcher`."""

    def __init__(self, url: str, expected: int) -> None:
        self.url = url
        self.expected = expected
        self.watcher: Watcher | None = None

    async def __aenter__(self) -> Watcher:
        connection = await psycopg.AsyncConnection.connect(self.url, autocommit=True)
        self.watcher = Watcher(connection, self.expected)
        return await self.watcher.__aenter__()

    async def __aexit__(self, *exc: object) -> None:
        assert self.watcher is not None
        await self.watcher.__aexit__(*exc)


async def cost(client: Client, batches: Mapping[str, int], histories: int) -> tuple[float | None, float | None]:
    """Billable actions and history bytes a thousand entries, from a sample of the batches.

    A random one: large and small batches take turns, and every n-th could be one kind only.
    """
    ids = random.Random(len(batches)).sample(list(batches), min(histories, len(batches)))
    if not ids:
        return None, None
    actions = size = 0
    for batch_id in ids:
        handle = client.get_workflow_handle(workflow_id(batch_id))
        history = await handle.fetch_history()
        actions += sum(event.event_type in BILLED for event in history.events)
        described = await handle.describe()
        size += described.raw_description.workflow_execution_info.history_size_bytes
    batches_per_thousand = len(batches) * 1000 / sum(batches.values())
    return actions / len(ids) * batches_per_thousand, size / len(ids) * batches_per_thousand
