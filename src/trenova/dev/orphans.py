"""Processes that a killed run left behind: recorded when they start, found and ended before their part starts anew.

Two nets, because a supervisor can be killed between starting a process and recording it: the record (pid and start
time), and a mark in the environment of every process we start. A pid that now belongs to somebody else fits neither.
"""

import asyncio
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import Signals

import psutil

from trenova.dev.part import KILL_LIMIT_S, StopSignals
from trenova.runtime.installation.folder import read_json, write_private

# Not one of the TRENOVA_ names: those are settings, and an unknown one stops the API and the worker.
MARK = "_TRENOVA_DEV_PART"
START_TIME_TOLERANCE_S = 1.0
CHECK_EVERY_S = 0.05


def remember(record: Path, pid: int) -> None:
    with suppress(psutil.NoSuchProcess):
        started = psutil.Process(pid).create_time()
        write_private(record, json.dumps({"pid": pid, "started": started, "folder": identity(record)}))


@contextmanager
def recording(record: Path) -> Iterator[None]:
    """This process itself, recorded while it lasts. After a kill the record names nobody."""
    remember(record, os.getpid())
    try:
        yield
    finally:
        forget(record)


def forget(record: Path) -> None:
    record.unlink(missing_ok=True)


def find(record: Path) -> list[psutil.Process]:
    """Processes that an earlier run started as this part and that still run."""
    found = {process.pid: process for process in (recorded(record), *marked(str(record))) if process}
    return list(found.values())


def recorded(record: Path) -> psutil.Process | None:
    content = read_json(record)
    pid, started = content.get("pid"), content.get("started")
    if not isinstance(pid, int) or not isinstance(started, float) or content.get("folder") != identity(record):
        return None
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if runs(process) and abs(process.create_time() - started) <= START_TIME_TOLERANCE_S:
            return process
    return None


def identity(record: Path) -> int:
    """The same for a folder that was moved, another for a copy: a copy's records name the processes of the original."""
    return record.parent.stat().st_ino


def marked(text: str) -> Iterable[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and runs(process) and process.environ().get(MARK) == text:
                yield process


async def end(record: Path, signals: StopSignals) -> bool:
    """End what an earlier run left of a part, as gently as a normal stop. True if there was anything."""
    left = await asyncio.to_thread(find, record)
    for signal, limit_s in signals if left else ():
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal)
        if await gone(left, limit_s):
            break
    forget(record)
    return bool(left)


def those(found: Iterable[tuple[int, float]]) -> list[psutil.Process]:
    """The processes with these ids and times of start that still run. Such an id may be somebody else's by now."""
    alive = []
    for pid, started in found:
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            if process.create_time() == started and runs(process):
                alive.append(process)
    return alive


async def end_all(processes: list[psutil.Process]) -> None:
    """Kill processes that nobody watches any more and wait until they are gone."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(Signals.SIGKILL)
    await gone(processes, KILL_LIMIT_S)


async def gone(processes: list[psutil.Process], limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while any(runs(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(CHECK_EVERY_S)
    return True


def runs(process: psutil.Process) -> bool:
    """Whether it still does anything: a zombie that its parent has not collected yet does not count."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
