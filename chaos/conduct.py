"""One run: load and faults together, then a wait until everything accepted is stored."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import psycopg
from temporalio.service import RPCError

from chaos import faults, inside, state
from chaos.faults import InjectedFault
from chaos.load import STUCK_S, Load
from chaos.plan import Fault
from chaos.rig import Rig
from trenova.errors import PartFailed

LOOK_EVERY_S = 0.2
REPORT_EVERY_S = 5
# Temporal lists a workflow a moment after it has started it; on a stalling machine that may take long.
CALM_S = 10
# However long a backlog is, a run ends.
DRAIN_LIMIT_S = 3600
# A run that is late may take this much longer than planned.
PATIENCE = 1.25
NEWEST = "SELECT EXTRACT(epoch FROM stored_at)::float8 FROM batches WHERE stored > 0 ORDER BY xid DESC LIMIT 1"
SIZES = "SELECT coalesce(sum(size), 0)::int8 FROM heads WHERE tenant = ANY(%s)"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """What a run does. It ends when the faults are injected and the entries acknowledged, or when it is late.

    `seconds`: the time over which the faults are spread; None: one after the other, and only the counts end the run.
    """

    seed: int
    schedule: Sequence[Fault]
    entries: int
    seconds: float | None


@dataclass(slots=True)
class Run:
    """A run. `injected` and the memory of `load` grow while it runs."""

    rig: Rig
    load: Load
    plan: RunPlan
    say: Say
    injected: list[InjectedFault] = field(default_factory=list)
    doing: str = "warming up"
    began: float = field(default_factory=time.monotonic)

    async def until_calm(self) -> None:
        """Inject everything under load, and return when the backlog is empty. Raises PartFailed if the run is stuck."""
        async with background(self.follow()):
            try:
                async with self.load.running():
                    await self.until(lambda: self.load.acknowledged > 0, "the first acknowledgement")
                    for fault in self.plan.schedule:
                        if self.is_late:
                            self.say(f"late: {len(self.plan.schedule) - len(self.injected)} faults are left out")
                            break
                        await self.strike(fault)
                    await self.wait_for_recovery()
                    self.doing = "sending the rest"
                    await self.until(lambda: self.load.acknowledged >= self.plan.entries or self.is_late, "entries")
                    self.doing = "waiting for the last acknowledgements"
            except TimeoutError:
                raise await self.stuck_error(
                    f"requests were not acknowledged for {STUCK_S} s after the last fault"
                ) from None
            self.doing = "waiting until everything accepted is stored"
            await self.wait_until_drained()

    @property
    def is_late(self) -> bool:
        return self.plan.seconds is not None and time.monotonic() - self.began > PATIENCE * self.plan.seconds

    async def strike(self, fault: Fault) -> None:
        """Inject one fault at its time, or now if the run is late."""
        if not fault.impatient:
            await self.wait_for_recovery()
        if self.plan.seconds is not None:
            due = self.began + (fault.number - 1 + fault.at) * self.plan.seconds / len(self.plan.schedule)
            await asyncio.sleep(max(0, due - time.monotonic()))
        else:
            await asyncio.sleep(fault.at)
        self.doing = f"{fault.name} for {fault.hold_s:.1f} s"
        strike = self.outlast if fault.kind == "outage" else partial(faults.inject, self.rig)
        self.injected.append(await strike(fault))

    async def outlast(self, fault: Fault) -> InjectedFault:
        """Shut the part down, and check that entries are accepted without it."""
        await self.rig.terminate(fault.target)
        struck = time.time()
        self.load.read()
        before = self.load.acknowledged
        await asyncio.sleep(fault.hold_s)
        await self.until(
            lambda: self.load.acknowledged >= before + fault.least, f"{fault.least} entries without {fault.target}"
        )
        accepted = self.load.acknowledged - before
        await self.rig.start(fault.target)
        await self.rig.revive()
        return InjectedFault(fault=fault, struck=struck, back=time.time(), accepted=accepted)

    async def wait_for_recovery(self) -> None:
        """Wait until entries from after the last fault are acknowledged and stored."""
        if not self.injected:
            return
        back = self.injected[-1].back
        self.doing = f"recovering from {self.injected[-1].fault.name}"
        await self.until(lambda: self.load.memory.newest > back, "an acknowledgement")
        deadline = time.monotonic() + STUCK_S
        while await self.newest_stored() <= back:
            if time.monotonic() > deadline:
                raise await self.stuck_error(f"nothing was stored for {STUCK_S} s after {self.injected[-1].fault.name}")
            await self.rig.revive()
            await asyncio.sleep(LOOK_EVERY_S)

    async def newest_stored(self) -> float:
        with suppress(psycopg.Error):
            async with await self.rig.connect() as owner:
                ((at,),) = await (await owner.execute(NEWEST)).fetchall()
                return float(str(at))
        return 0

    async def until(self, true: Callable[[], bool], what: str) -> None:
        """Wait for a condition on the journal. Raises PartFailed when no request at all is acknowledged for STUCK_S."""
        seen, deadline = -1, 0.0
        while not true():
            if len(self.load.memory.acknowledged) != seen:
                seen, deadline = len(self.load.memory.acknowledged), time.monotonic() + STUCK_S
            if time.monotonic() > deadline:
                raise await self.stuck_error(f"waiting for {what}, nothing was acknowledged for {STUCK_S} s")
            self.load.read()
            await self.rig.revive()
            await asyncio.sleep(LOOK_EVERY_S)

    async def wait_until_drained(self) -> None:
        """Wait until no workflow runs and everything acknowledged is stored, or until neither changes any more.

        Entries that are missing then are lost; the checks report them.
        """
        client = await self.rig.temporal.client()
        seen, since = None, time.monotonic()
        deadline = time.monotonic() + DRAIN_LIMIT_S
        while True:
            if time.monotonic() > deadline:
                raise await self.stuck_error(f"what was accepted is not stored after {DRAIN_LIMIT_S} s without faults")
            await self.rig.revive()
            with suppress(psycopg.Error, RPCError):
                now = (await inside.running(client), await self.count_stored())
                if now != seen:
                    seen, since = now, time.monotonic()
                waits, stored = now
                whole = waits == 0 and stored >= self.load.acknowledged
                if time.monotonic() - since > (CALM_S if whole else STUCK_S):
                    return
            await asyncio.sleep(1)

    async def stuck_error(self, message: str) -> PartFailed:
        """The error to raise, with what timed out and the state of every part."""
        return await state.error_with_state(self.rig, f"{message}; fault {len(self.injected)}, {self.doing}")

    async def count_stored(self) -> int:
        async with await self.rig.connect() as owner:
            ((size,),) = await (await owner.execute(SIZES, [self.load.tenants])).fetchall()
            return int(str(size))

    async def follow(self) -> None:
        """Report the progress every few seconds."""
        while True:
            self.load.read()
            self.say(
                f"fault {len(self.injected)} of {len(self.plan.schedule)}, "
                f"{self.load.acknowledged:,} entries acknowledged: {self.doing}"
            )
            await asyncio.sleep(REPORT_EVERY_S)


@asynccontextmanager
async def background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run the work beside the block, and cancel it at its end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
