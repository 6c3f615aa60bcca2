"""Disks that fail: PostgreSQL's own system calls answered with an error, by strace, while its processes run.

The call is not made at all and its error is returned. So the pages are still in memory and a later flush succeeds: that
a kernel forgets pages which it could not write is not shown here.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from signal import Signals

from trenova.errors import PartFailed

ATTACH_LIMIT_S = 30
STOP_LIMIT_S = 30
CHECK_EVERY_S = 0.05


def require() -> str:
    """Where strace is; raises before anything is started."""
    found = shutil.which("strace")
    if found is None:
        raise PartFailed(
            "system calls cannot be made to fail: strace is missing",
            hint="install it (Debian: apt-get install strace), or run without --storage",
        )
    return found


@asynccontextmanager
async def failing(pids: Sequence[int], target: str, nth: int, log: Path) -> AsyncIterator[None]:
    """In these processes and all that they start, every `nth` call fails. `target` is like `fdatasync:EIO`."""
    call, error = target.split(":")
    argv = [require(), "-f", "-q", "-o", str(log), "-e", f"trace={call}"]
    argv += ["-e", f"inject={call}:error={error}:when={nth}+{nth}", "-p", ",".join(map(str, pids))]
    quiet = asyncio.subprocess.DEVNULL
    child = await asyncio.create_subprocess_exec(
        *argv, stdin=quiet, stdout=quiet, stderr=asyncio.subprocess.PIPE, start_new_session=True
    )
    try:
        async with asyncio.timeout(ATTACH_LIMIT_S):
            while not any(map(is_traced, pids)) and child.returncode is None:  # noqa: ASYNC110 - strace cannot call
                await asyncio.sleep(CHECK_EVERY_S)
        if child.returncode is not None:
            assert child.stderr is not None
            said = (await child.stderr.read()).decode(errors="replace").strip().splitlines()
            raise PartFailed(
                f"strace cannot attach to PostgreSQL: {said[-1] if said else 'it ended at once'}",
                hint="allow it to trace (as root, or with kernel.yama.ptrace_scope=0), or run without --storage",
            )
        yield
    finally:
        # Once detached, the processes continue normally.
        with suppress(ProcessLookupError):
            child.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(child.communicate(), STOP_LIMIT_S)
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
        resend_signals(pids[0])


def resend_signals(server: int) -> None:
    """Send PostgreSQL the signals that may have been lost: strace sometimes swallows one when it detaches.

    Both are harmless when nothing was lost: the server checks which children have exited, and what they requested.
    """
    for signal in (Signals.SIGCHLD, Signals.SIGUSR1):
        with suppress(ProcessLookupError):
            os.kill(server, signal)


def is_traced(pid: int) -> bool:
    with suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        return "TracerPid:\t0\n" not in status
    return False


def count_injected(log: Path) -> int:
    """How many calls were answered with an error."""
    with suppress(OSError):
        return log.read_text(encoding="utf-8", errors="replace").count("(INJECTED)")
    return 0
