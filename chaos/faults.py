"""What each fault does to the rig, and when the rig is whole again."""

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from signal import Signals

import psycopg

from chaos import plan, state, syscalls
from chaos.plan import Fault
from chaos.rig import Rig
from trenova.dev import process_state, watchdog

LEAST_DELAY_S, MOST_DELAY_S = 0.02, 0.8
MOST_NTH = 6
# A disk fails long enough to hit some call. Much longer would only test waiting.
LEAST_STORAGE_S, MOST_STORAGE_S = 1.5, 4.0
# The rig's own watch never interrupts a recovery that makes progress, but a run cannot wait forever.
DATABASE_LIMIT_S = 600

BACKENDS = "SELECT pid FROM pg_stat_activity WHERE starts_with(usename, 'trenova_dev_') ORDER BY pid"
TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE starts_with(usename, 'trenova_dev_')"


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectedFault:
    """An injected fault: it struck at `struck`, and every part was ready again at `back` (wall clock)."""

    fault: Fault
    struck: float
    back: float
    calls: int = 0
    """System calls that failed."""
    accepted: int = 0
    """Entries, during an outage."""


async def inject(rig: Rig, fault: Fault) -> InjectedFault:
    """Inject the fault, hold it, undo it, and return when every part is ready."""
    struck = time.time()
    calls = await KINDS[fault.kind](rig, fault)
    await rig.revive()
    return InjectedFault(fault=fault, struck=struck, back=time.time(), calls=calls or 0)


async def kill(rig: Rig, fault: Fault) -> None:
    names = tuple(fault.target.split("+"))
    await rig.kill(names)
    await asyncio.sleep(fault.hold_s)
    await rig.start_all(names)


async def deploy(rig: Rig, fault: Fault) -> None:
    await rig.terminate(fault.target)
    await asyncio.sleep(fault.hold_s)
    await rig.start(fault.target)


async def pause(rig: Rig, fault: Fault) -> None:
    rig.signal(fault.target, Signals.SIGSTOP)
    try:
        await asyncio.sleep(fault.hold_s)
    finally:
        rig.signal(fault.target, Signals.SIGCONT)


async def cut(rig: Rig, fault: Fault) -> None:
    rig.links[fault.target].cut()


async def slow(rig: Rig, fault: Fault) -> None:
    link = rig.links[fault.target]
    link.delay_s = random.Random(fault.choice).uniform(LEAST_DELAY_S, MOST_DELAY_S)
    try:
        await asyncio.sleep(fault.hold_s)
    finally:
        link.delay_s = 0


async def hang(rig: Rig, fault: Fault) -> None:
    """No data passes and neither side notices; in the end the connections are reset."""
    link = rig.links[fault.target]
    link.hang()
    try:
        await asyncio.sleep(fault.hold_s)
    finally:
        link.cut()
        link.flow()


async def backend(rig: Rig, fault: Fault) -> None:
    """SIGKILL for one backend process of PostgreSQL: the server then ends all others and recovers."""
    await database_back(rig)
    async with await rig.connect() as connection:
        found = [int(str(pid)) for (pid,) in await (await connection.execute(BACKENDS)).fetchall()]
    if found:
        with suppress(ProcessLookupError):
            os.kill(found[fault.choice % len(found)], Signals.SIGKILL)
    await database_back(rig)


async def recovery(rig: Rig, fault: Fault) -> None:
    """The same, and SIGABRT for the startup process that recovers from it, as when it panics: then nothing recovers.

    If it recovers before the startup process is found, this is the same as `backend`.
    """
    await database_back(rig)
    server = rig.processes["postgres"]
    async with await rig.connect() as connection:
        os.kill(connection.info.backend_pid, Signals.SIGKILL)
    deadline = time.monotonic() + max(fault.hold_s, LEAST_STORAGE_S)
    while time.monotonic() < deadline and not abort_startup(server.pid):  # noqa: ASYNC110 - the kernel tells nobody
        await asyncio.sleep(0)
    await database_back(rig)


def abort_startup(server: int) -> bool:
    for vital in process_state.states_of(process_state.children(server)).values():
        if watchdog.STARTUP.search(vital.title):
            with suppress(ProcessLookupError):
                os.kill(vital.pid, Signals.SIGABRT)
                return True
    return False


async def terminate(rig: Rig, _fault: Fault) -> None:
    """PostgreSQL closes every connection of ours in an orderly way."""
    await database_back(rig)
    async with await rig.connect() as connection:
        await connection.execute(TERMINATE)


async def storage(rig: Rig, fault: Fault) -> int:
    """PostgreSQL's writes or flushes fail. It may exit because of it, which is correct, and is restarted."""
    log = rig.folder / f"strace-{fault.number}.log"
    pids = [process.pid for process in rig.pids("postgres")]
    async with syscalls.failing(pids, fault.target, 1 + fault.choice % MOST_NTH, log):
        checkpoint = asyncio.create_task(flush_all(rig))
        await asyncio.sleep(min(max(fault.hold_s, LEAST_STORAGE_S), MOST_STORAGE_S))
    checkpoint.cancel()
    with suppress(asyncio.CancelledError):
        await checkpoint
    await database_back(rig)
    return syscalls.count_injected(log)


async def flush_all(rig: Rig) -> None:
    """A checkpoint, which writes and flushes the tables themselves."""
    with suppress(psycopg.Error, OSError):
        async with await rig.connect() as connection:
            await connection.execute("CHECKPOINT")


async def database_back(rig: Rig) -> None:
    """Wait until it accepts connections. Parts that exited or are stuck are restarted."""
    try:
        async with asyncio.timeout(DATABASE_LIMIT_S):
            while not await rig.postgres.is_ready(0):
                await rig.revive()
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise await state.error_with_state(rig, f"PostgreSQL accepted no connection for {DATABASE_LIMIT_S} s") from None


KINDS: dict[plan.Kind, Callable[[Rig, Fault], Awaitable[int | None]]] = {
    "kill": kill,
    "deploy": deploy,
    "pause": pause,
    "cut": cut,
    "slow": slow,
    "hang": hang,
    "backend": backend,
    "recovery": recovery,
    "terminate": terminate,
    "storage": storage,
}
