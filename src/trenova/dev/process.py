"""One running part: started in its own session, watched directly, stopped signal by signal."""

import asyncio
import math
import os
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from signal import Signals
from typing import Any, Self

from trenova.config import KIB, MIB
from trenova.dev import orphans, process_state, users, watchdog
from trenova.dev.part import Part, StopSignals
from trenova.errors import PartFailed

LAST_LINES = 20
LAST_BYTES = 64 * KIB
CHECK_EVERY_S = 0.05
# Enough history for a fault that repeats, and small enough for an editor.
LARGE_LOG_BYTES = 10 * MIB


class Process:
    """A part that runs. `start` returns when the part is ready, or raises with the end of its log."""

    def __init__(self, part: Part, child: asyncio.subprocess.Process, log_start: int) -> None:
        self.part = part
        self.pid = child.pid
        self._child = child
        self._log_start = log_start

    @classmethod
    async def start(cls, part: Part) -> Self:
        """End what a killed run left of this part, start it, and wait until it is ready."""
        process = await cls.spawn(part)
        try:
            await process.wait_ready()
        except BaseException:
            await process.stop()
            raise
        return process

    @classmethod
    async def spawn(cls, part: Part) -> Self:
        await orphans.end(part.record, part.stop_signals)
        rotate(part.log)
        if part.prepare is not None:
            await part.prepare()
        log_start = part.log.stat().st_size if part.log.exists() else 0
        try:
            child = await launch_process(part)
        except OSError as error:
            raise PartFailed(
                f"{part.name} cannot be started: {part.argv[0]}: {error.strerror}",
                hint="install what is missing: pip install 'trenova[dev]'",
            ) from error
        # Killed here: the process runs without a record. The next start finds it by its mark, and ends it.
        orphans.write_record(part.record, child.pid)
        return cls(part, child, log_start)

    async def wait_ready(self) -> None:
        """Raises PartFailed when it ends first, exceeds its limit, or has none and its watchdog finds it stuck."""
        if self.part.ready_limit_s is not None:
            return await self._wait_ready(self.part.ready_limit_s)
        waiting, stuck = asyncio.create_task(self._wait_ready(math.inf)), asyncio.create_task(self.wait_until_stuck())
        try:
            await asyncio.wait({waiting, stuck}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise await self.abort(stuck.result())
            return waiting.result()
        finally:
            await cancel(waiting, stuck)

    async def _wait_ready(self, limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        while not await self.part.is_ready(self.pid):
            if self._child.returncode is not None:
                raise self.failure(f"{self.part.name} {self.exit_description} while it was starting")
            if time.monotonic() > deadline:
                raise self.failure(f"{self.part.name} was not ready after {limit_s:.0f} s")
            await asyncio.sleep(CHECK_EVERY_S)

    async def wait_until_stuck(self) -> str:
        """Return the reason once the running process is stuck. Without a watchdog it never returns."""
        check = self.part.watchdog().check if self.part.watchdog is not None else None
        while True:
            await asyncio.sleep(watchdog.CHECK_EVERY_S)
            if check is not None and (reason := await check(self.pid)) is not None:
                return reason

    async def wait_until_lost(self) -> PartFailed:
        """Return once the process has ended, either by itself or because it was stuck and has been ended here."""
        ended, stuck = asyncio.create_task(self._child.wait()), asyncio.create_task(self.wait_until_stuck())
        try:
            await asyncio.wait({ended, stuck}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return self.failure(f"{self.part.name} {self.exit_description}")
            return await self.abort(stuck.result())
        finally:
            await cancel(ended, stuck)

    async def abort(self, reason: str) -> PartFailed:
        """End a stuck process; returns the error that says why."""
        failure = self.failure(f"{self.part.name} {reason}; it was stopped")
        await self._end(self.part.abort_signals)
        return failure

    def failure(self, message: str) -> PartFailed:
        """The error to raise, with the end of the log as notes."""
        error = PartFailed(message, hint=f"the whole log is in {self.part.log}")
        for line in last_lines(self.part.log, since=self._log_start):
            error.add_note(line)
        return error

    @property
    def exit_description(self) -> str:
        """How it ended, for a message: `was ended by SIGKILL`, `ended with exit code 3`."""
        code = self._child.returncode
        if code is not None and code < 0:
            return f"was ended by {Signals(-code).name}"
        return f"ended with exit code {code}"

    @property
    def succeeded(self) -> bool:
        return self._child.returncode == 0

    async def wait_until_ended(self) -> None:
        await self._child.wait()

    async def stop(self) -> None:
        """Send the stop signals in order until it has ended."""
        await self._end(self.part.stop_signals)

    async def _end(self, signals: StopSignals) -> None:
        started = process_state.states_of(process_state.children(self.pid))
        for signal, limit_s in signals:
            self.send(signal)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._child.wait(), limit_s)
                break
        if self._child.returncode == -Signals.SIGKILL:
            # It could not end its children, and a stuck or suspended child does not notice that its parent is gone.
            await orphans.kill_all(orphans.still_running(started))
        # Killed here: the record names a pid that no longer runs, and the next start removes it.
        orphans.remove_record(self.part.record)

    def hurry(self) -> None:
        self.send(self.part.hurry_signal)

    def send(self, signal: Signals) -> None:
        if self._child.returncode is not None:
            return
        with suppress(ProcessLookupError):
            if signal is Signals.SIGKILL:
                os.killpg(self.pid, signal)  # together with its children
            else:
                self._child.send_signal(signal)


@asynccontextmanager
async def running(part: Part) -> AsyncIterator[Process]:
    process = await Process.start(part)
    try:
        yield process
    finally:
        await process.stop()


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def launch_process(part: Part) -> asyncio.subprocess.Process:
    with part.log.open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *part.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=asyncio.subprocess.STDOUT,
            env={**part.env, orphans.MARK: str(part.record)},
            cwd=part.folder,
            start_new_session=True,  # the terminal's Ctrl-C reaches the supervisor only
            **users.run_as(part.user),
        )


def rotate(log: Path) -> None:
    """Rename a large log to `<name>.1`, replacing an older one. Call it only while nothing writes to the log."""
    if log.exists() and log.stat().st_size > LARGE_LOG_BYTES:
        # Killed here: there is no log until the part starts again; readers expect that.
        log.replace(log.with_name(f"{log.name}.1"))


def last_lines(log: Path, count: int = LAST_LINES, *, since: int = 0) -> list[str]:
    """The last `count` lines of a log, none from before byte `since`; empty if there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(max(since, file.seek(0, os.SEEK_END) - LAST_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return list(deque(text.splitlines(), maxlen=count))
