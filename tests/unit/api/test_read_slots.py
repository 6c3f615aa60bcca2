import asyncio

import pytest

from trenova.api.read_slots import MAX_WAITING, ReadSlots
from trenova.errors import TooManyReads
from trenova.runtime.http.byte_budget import Share

ACME, GLOBEX, INITECH = ("tenant", "acme"), ("tenant", "globex"), ("tenant", "initech")


class Reads:
    """Reads that end on request; `begun` lists whose have begun, in order."""

    def __init__(self, slots: int) -> None:
        self.slots = ReadSlots(slots)
        self.begun: list[Share] = []
        self.ends: list[asyncio.Event] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def run(self, share: Share) -> None:
        async with self.slots.slot(share):
            self.begun.append(share)
            end = asyncio.Event()
            self.ends.append(end)
            await end.wait()

    async def ask(self, share: Share) -> asyncio.Task[None]:
        task = asyncio.create_task(self.run(share))
        self.tasks.append(task)
        await let_tasks_run()
        return task

    async def end(self, number: int) -> None:
        self.ends[number].set()
        await let_tasks_run()

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def let_tasks_run() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_tenant_leaves_half_of_the_slots_to_others() -> None:
    reads = Reads(4)
    for share in (ACME, ACME, ACME, ACME, GLOBEX):
        await reads.ask(share)
    assert reads.begun == [ACME, ACME, GLOBEX]
    await reads.end(0)
    assert reads.begun == [ACME, ACME, GLOBEX, ACME]
    await reads.stop()
    assert (reads.slots.running, reads.slots.queues) == ({}, {})


async def test_waiting_reads_take_turns_by_tenant() -> None:
    reads = Reads(2)
    for share in (ACME, GLOBEX, ACME, ACME, INITECH):
        await reads.ask(share)
    assert reads.begun == [ACME, GLOBEX]
    await reads.end(1)
    assert reads.begun[2:] == [INITECH]
    await reads.end(0)
    assert reads.begun[3:] == [ACME]
    await reads.stop()


async def test_a_queue_that_is_too_long_is_an_error() -> None:
    reads = Reads(2)
    for _ in range(1 + MAX_WAITING):
        await reads.ask(ACME)
    refused = await reads.ask(ACME)
    with pytest.raises(TooManyReads, match="1 reads"):
        await refused
    await reads.stop()


async def test_a_read_that_gives_up_waiting_leaves_the_queue() -> None:
    reads = Reads(2)
    await reads.ask(ACME)
    waiting = await reads.ask(ACME)
    waiting.cancel()
    await let_tasks_run()
    assert reads.slots.queues == {}
    await reads.end(0)
    assert reads.slots.running == {}
    await reads.stop()


async def test_a_slot_that_is_granted_as_its_caller_leaves_is_passed_on() -> None:
    reads = Reads(2)
    await reads.ask(ACME)
    going, staying = await reads.ask(ACME), await reads.ask(ACME)
    reads.ends[0].set()
    await asyncio.sleep(0)
    going.cancel()
    await let_tasks_run()
    assert len(reads.begun) >= 2
    assert not staying.done()
    await reads.stop()
    assert reads.slots.running == {}
