"""CPU time and memory of the measured processes, each with its children."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil

SAMPLE_EVERY_S = 0.5
MIB = 1024 * 1024


class Meter:
    """Filled in when the block ends: `async with measuring({"api": pid}) as meter`."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self.pids = pids
        self.cpu_s: dict[str, float] = {}
        self.peak_mib: dict[str, float] = {}

    def sample(self) -> None:
        for name, pid in self.pids.items():
            self.peak_mib[name] = max(self.peak_mib.get(name, 0), memory_mib(pid))


@asynccontextmanager
async def measuring(pids: Mapping[str, int]) -> AsyncIterator[Meter]:
    meter = Meter(pids)
    before = {name: cpu_s(pid) for name, pid in pids.items()}
    sampling = asyncio.create_task(keep_sampling(meter))
    try:
        yield meter
    finally:
        sampling.cancel()
        meter.sample()
        meter.cpu_s = {name: cpu_s(pid) - before[name] for name, pid in pids.items()}


async def keep_sampling(meter: Meter) -> None:
    while True:
        meter.sample()
        await asyncio.sleep(SAMPLE_EVERY_S)


def family(pid: int) -> Iterator[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        yield parent
        if pid != os.getpid():  # our own children are the servers, which are counted by themselves
            yield from parent.children(recursive=True)


def cpu_s(pid: int) -> float:
    """CPU seconds of the process, of its running children and of those that have exited."""
    total = 0.0
    for process in family(pid):
        with suppress(psutil.NoSuchProcess):
            spent = process.cpu_times()
            total += spent.user + spent.system
            if process.pid == os.getpid():
                continue
            total += getattr(spent, "children_user", 0.0) + getattr(spent, "children_system", 0.0)
    return total


def memory_mib(pid: int) -> float:
    """The peak of a single process since its start; of a family its present memory, shared pages counted once."""
    processes = list(family(pid))
    if len(processes) == 1:
        return peak_bytes(processes[0]) / MIB
    total = 0
    for process in processes:
        with suppress(psutil.Error):
            held = process.memory_full_info()
            total += getattr(held, "pss", held.rss)
    return total / MIB


def peak_bytes(process: psutil.Process) -> int:
    """The peak recorded by the kernel; where there is none (macOS), the present value."""
    with suppress(OSError):
        for line in Path(f"/proc/{process.pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    with suppress(psutil.NoSuchProcess):
        return process.memory_info().rss
    return 0
