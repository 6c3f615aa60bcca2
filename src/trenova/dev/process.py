"""One running part: started in a session of its own, watched directly, stopped in steps."""

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

from trenova.dev import orphans, users, vitals, watch
from trenova.dev.part import Part, StopSignals
from trenova.errors import PartFailed

LAST_LINES = 20
LAST_BYTES = 64 * 1024
CHECK_EVERY_S = 0.05
# Enough to look back on a fault that repeats itself, and it still opens in an editor.
LARGE_LOG_BYTES = 10 * 1024 * 1024


class Process:
    """A part that runs. `start` comes back when the part is ready, or raises with the end of its log."""

    def __init__(self, part: Part, child: asyncio.subprocess.Process, log_start: int) -> None:
        self.part = part
        self.pid = child.pid
        self._child = child
        self._log_start = log_start

    @classmethod
    async def start(cls, part: Part) -> Self:
        """End what a killed run left of this part, start it and wait until it is ready."""
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
        if part.before is not None:
            await part.before()
        log_start = part.log.stat().st_size if part.log.exists() else 0
        try:
            child = await launch(part)
        except OSError as error:
            raise PartFailed(
                f"{part.name} cannot be started: {part.argv[0]}: {error.strerror}",
                hint="install what is missing: pip install 'trenova[dev]'",
            ) from error
        # Killed here: the process runs without a record. Its mark lets the next start find and end it.
        orphans.remember(part.record, child.pid)
        return cls(part, child, log_start)

    async def wait_ready(self) -> None:
        """Raises when it ends before, is late, or, where there is no limit, when its watch has given it up."""
        if self.part.ready_limit_s is not None:
            return await self._wait_ready(self.part.ready_limit_s)
        waiting, useless = asyncio.create_task(self._wait_ready(math.inf)), asyncio.create_task(self.until_useless())
        try:
            await asyncio.wait({waiting, useless}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise await self.abort(useless.result())
            return waiting.result()
        finally:
            await cancel(waiting, useless)

    async def _wait_ready(self, limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        while not await self.part.ready(self.pid):
            if self._child.returncode is not None:
                raise self.failure(f"{self.part.name} {self.ending} while it was starting")
            if time.monotonic() > deadline:
                raise self.failure(f"{self.part.name} was not ready after {limit_s:.0f} s")
            await asyncio.sleep(CHECK_EVERY_S)

    async def until_useless(self) -> str:
        """Comes back with the reason when the process, which lives, is of no use any more. Without a watch never."""
        judge = self.part.watch() if self.part.watch is not None else None
        while True:
            await asyncio.sleep(watch.LOOK_EVERY_S)
            if judge is not None and (reason := await judge.look(self.pid)) is not None:
                return reason

    async def until_lost(self) -> PartFailed:
        """Comes back when the process has ended, by itself or by us because it was of no use any more."""
        ended, useless = asyncio.create_task(self._child.wait()), asyncio.create_task(self.until_useless())
        try:
            await asyncio.wait({ended, useless}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return self.failure(f"{self.part.name} {self.ending}")
            return await self.abort(useless.result())
        finally:
            await cancel(ended, useless)

    async def abort(self, reason: str) -> PartFailed:
        """End the process, which would not help itself, and say why."""
        failure = self.failure(f"{self.part.name} {reason}; it is ended and started again")
        await self._end(self.part.abort_signals)
        return failure

    def failure(self, message: str) -> PartFailed:
        """The error to raise, with the end of the log as a note."""
        error = PartFailed(message, hint=f"the whole log is in {self.part.log}")
        for line in last_lines(self.part.log, since=self._log_start):
            error.add_note(line)
        return error

    @property
    def ending(self) -> str:
        """How it ended, in words for people."""
        code = self._child.returncode
        if code is not None and code < 0:
            return f"was ended by {Signals(-code).name}"
        return f"ended with exit code {code}"

    @property
    def succeeded(self) -> bool:
        return self._child.returncode == 0

    async def ended(self) -> None:
        await self._child.wait()

    async def stop(self) -> None:
        """Signal by signal until it has ended."""
        await self._end(self.part.stop_signals)

    async def _end(self, signals: StopSignals) -> None:
        started = vitals.of(vitals.children(self.pid))
        for signal, limit_s in signals:
            self.send(signal)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._child.wait(), limit_s)
                break
        if self._child.returncode == -Signals.SIGKILL:
            # It could not end what it had started, and what is stuck or stopped does not see that it is gone.
            await orphans.end_all(orphans.those(started))
        # Killed here: the record names a pid that no longer runs, and the next start drops it.
        orphans.forget(self.part.record)

    def hurry(self) -> None:
        self.send(self.part.hurry_signal)

    def send(self, signal: Signals) -> None:
        if self._child.returncode is not None:
            return
        with suppress(ProcessLookupError):
            if signal is Signals.SIGKILL:
                os.killpg(self.pid, signal)  # with whatever it has started itself
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


async def launch(part: Part) -> asyncio.subprocess.Process:
    with part.log.open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *part.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=asyncio.subprocess.STDOUT,
            env={**part.env, orphans.MARK: str(part.record)},
            cwd=part.folder,
            start_new_session=True,  # the terminal's Ctrl-C reaches the supervisor only
            **users.becoming(part.user),
        )


def rotate(log: Path) -> None:
    """Set a large log aside as `<name>.1`, in place of an older one. Only while nothing writes to it."""
    if log.exists() and log.stat().st_size > LARGE_LOG_BYTES:
        # Killed here: there is no log, which readers know, until the next start of the part makes one.
        log.replace(log.with_name(f"{log.name}.1"))


def last_lines(log: Path, count: int = LAST_LINES, *, since: int = 0) -> list[str]:
    """The last lines of a log that may be long, from byte `since` at the earliest; none if there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(max(since, file.seek(0, os.SEEK_END) - LAST_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return list(deque(text.splitlines(), maxlen=count))
