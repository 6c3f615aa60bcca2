"""Runs the PostgreSQL of a data folder for `trenova api` and `trenova worker`: `python -m` this module, in a process.

It belongs to no terminal, so that Ctrl-C in one does not reach it, and ends by itself when the last member has gone.

What a kill of it leaves, whenever it comes: a PostgreSQL that runs on, with a record or a mark, and members that use
it. The next start on the folder ends that server first and gives the new one the same port, so that the members which
are left find it.
"""

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack, ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trenova.dev import keys, orphans, ports, registry, schema, supervisor
from trenova.dev.postgres import Postgres
from trenova.dev.process import cancel, rotate
from trenova.errors import PartFailed, TrenovaError
from trenova.runtime.installation import members
from trenova.runtime.installation.folder import Folder, write_private

# Which parts write to the folder's logs themselves: they open a log that was set aside anew.
WRITERS = ("api", "worker")
LOOK_EVERY_S = 0.25
FAILED, IN_USE = 1, 75


async def keep(folder: Folder) -> None:
    """Run PostgreSQL until nobody uses it any more, or until SIGTERM. The caller holds the folder."""
    stopped = asyncio.Event()
    for signal in supervisor.STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(signal, stopped.set)
    async with AsyncExitStack() as stack:
        parts = supervisor.Supervisor(died=died, back=lambda name: say(f"{name} is back."))
        working = asyncio.create_task(work(folder, parts, stack))
        ends = [asyncio.create_task(stopped.wait()), asyncio.create_task(until_unused(folder, working))]
        try:
            watched: set[asyncio.Future[Any]] = {working, *ends, parts.failed}
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel(working, *ends)
            # Killed from here on: PostgreSQL is ended by the next start.
            folder.embedded.unlink(missing_ok=True)
            await parts.stop()
    for task in (working, *ends):
        if not task.cancelled():
            await task  # raises what it failed with
    if parts.failed.done():
        raise parts.failed.result()


async def work(folder: Folder, parts: supervisor.Supervisor, stack: AsyncExitStack) -> None:
    """Bring PostgreSQL up, say where it is, and stay until cancelled."""
    await supervisor.end_leftovers(folder, say)
    for name in WRITERS:
        rotate(folder.log(name))
    postgres = Postgres(folder.path, port=ports.choose_again(folder.port("postgres")), say=say)
    await parts.start(await stack.enter_async_context(postgres.part()))
    await postgres.create_database()
    await schema.prepare(postgres)
    keys.signing_key(folder)
    api_key = await keys.dev_key(folder, postgres.operator_url)
    content = {"database_url": postgres.operator_url, "api_key": api_key, "pid": os.getpid()}
    write_private(folder.embedded, json.dumps(content, indent=2) + "\n")
    say("PostgreSQL is ready.")
    await asyncio.Event().wait()


async def until_unused(folder: Folder, working: asyncio.Task[None]) -> None:
    """Comes back when the last member has gone, and nobody can come any more without seeing that this one ends."""
    said: set[str] = set()
    while not seen_closed(folder, said):  # noqa: ASYNC110 - other processes cannot set an event
        await asyncio.sleep(LOOK_EVERY_S)
    working.cancel()  # before its next step, which could be to say where PostgreSQL is
    say("Nobody uses PostgreSQL any more.")


def seen_closed(folder: Folder, said: set[str]) -> bool:
    """As `closed`. Where a look fails there may be members: PostgreSQL stays, and the log says why, once."""
    try:
        return closed(folder)
    except FileNotFoundError as error:
        raise PartFailed(f"the data folder {folder.path} has been removed: {error.filename} is gone") from error
    except OSError as error:
        if str(error) not in said:
            said.add(str(error))
            say(f"Cannot see who uses PostgreSQL, which runs on: {error}")
        return False


def closed(folder: Folder) -> bool:
    """Close for good if there is no member: whoever comes afterwards finds no address, and waits for our end."""
    if members.members(folder):
        return False
    try:
        with members.door(folder, wait=False):
            if members.members(folder):
                return False
            members.remove_dead(folder)
            folder.embedded.unlink(missing_ok=True)
            return True
    except BlockingIOError:
        return False  # somebody is coming in


def say(text: str) -> None:
    """A line of the keeper's log."""
    sys.stderr.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}\n")


def died(error: TrenovaError) -> None:
    for line in (error.message, *getattr(error, "__notes__", ())):
        say(line)


def run(data_dir: Path) -> tuple[int, TrenovaError | None]:
    """Keep until the end. The exit code, and what went wrong."""
    try:
        folder = Folder(data_dir)
        with folder.owned(), ExitStack() as held:
            try:
                held.enter_context(folder.locked())
            except PartFailed as error:
                return IN_USE, error
            supervisor.remove_states(folder)
            with orphans.recording(folder.record(registry.KEEPER)):
                asyncio.run(keep(folder))
    except TrenovaError as error:
        return FAILED, error
    return 0, None


def main(data_dir: Path) -> int:
    """As `run`; what went wrong is told on standard output to whoever started us, and stands in the log."""
    code, error = run(data_dir)
    if error is not None:
        died(error)
        with suppress(BrokenPipeError):  # of one that was killed meanwhile
            sys.stdout.write(json.dumps({"message": error.message, "hint": error.hint}))
            sys.stdout.flush()
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
