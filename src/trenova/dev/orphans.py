"""Processes that a killed run left behind: recorded when they start, found and ended before their part starts again.

They are found in two ways, because a supervisor can be killed between starting a process and recording it: by the
record (pid and start time), and by a mark in the environment of every process we start. A pid that another program has
now matches neither.
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

# Not a TRENOVA_ name: those are settings, and an unknown one keeps the API and the worker from starting.
MARK = "_TRENOVA_DEV_PART"
START_TIME_TOLERANCE_S = 1.0
CHECK_EVERY_S = 0.05


def write_record(record: Path, pid: int) -> None:
    with suppress(psutil.NoSuchProcess):
        started = psutil.Process(pid).create_time()
        write_private(record, json.dumps({"pid": pid, "started": started, "folder": folder_identity(record)}))


@contextmanager
def record_this_process(record: Path) -> Iterator[None]:
    """Keep a record of this process within the block. After a kill, the record matches no process."""
    write_record(record, os.getpid())
    try:
        yield
    finally:
        remove_record(record)


def remove_record(record: Path) -> None:
    record.unlink(missing_ok=True)


def find(record: Path) -> list[psutil.Process]:
    """Processes that an earlier run started as this part and that are still running."""
    candidates = (recorded_process(record), *marked_processes(str(record)))
    return list({process.pid: process for process in candidates if process}.values())


def recorded_process(record: Path) -> psutil.Process | None:
    """The process that the record names, if it is still running."""
    content = read_json(record)
    pid, started = content.get("pid"), content.get("started")
    if not isinstance(pid, int) or not isinstance(started, float) or content.get("folder") != folder_identity(record):
        return None
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if is_running(process) and abs(process.create_time() - started) <= START_TIME_TOLERANCE_S:
            return process
    return None


def folder_identity(record: Path) -> int:
    """The same for a moved folder, another for a copy: the records in a copy name the processes of the original."""
    return record.parent.stat().st_ino


def marked_processes(text: str) -> Iterable[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and is_running(process) and process.environ().get(MARK) == text:
                yield process


async def end(record: Path, signals: StopSignals) -> bool:
    """End what an earlier run left of a part, as gently as a normal stop. True if there was anything."""
    processes = await asyncio.to_thread(find, record)
    for signal, limit_s in signals if processes else ():
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal)
        if await wait_until_ended(processes, limit_s):
            break
    remove_record(record)
    return bool(processes)


def still_running(keys: Iterable[tuple[int, float]]) -> list[psutil.Process]:
    """Those of the processes with these pids and start times that still run. Another program may have the pid now."""
    alive = []
    for pid, started in keys:
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            if process.create_time() == started and is_running(process):
                alive.append(process)
    return alive


async def kill_all(processes: list[psutil.Process]) -> None:
    """Kill processes and wait until they have ended."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(Signals.SIGKILL)
    await wait_until_ended(processes, KILL_LIMIT_S)


async def wait_until_ended(processes: list[psutil.Process], limit_s: float) -> bool:
    """False if some are still running after `limit_s`."""
    deadline = time.monotonic() + limit_s
    while any(is_running(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(CHECK_EVERY_S)
    return True


def is_running(process: psutil.Process) -> bool:
    """Whether it is alive. A zombie, which its parent has not collected yet, does not count."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
