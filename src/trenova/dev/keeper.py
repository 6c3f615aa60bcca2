"""The keeper: a process, started with `python -m`, that runs a data folder's PostgreSQL for its API and workers.

It belongs to no terminal, so that Ctrl-C does not reach it, and ends by itself when the last member has gone.

If it is killed, at any moment, PostgreSQL runs on, with a record or a mark, and so do the members that use it. The next
start on the folder ends that server first and starts a new one on the same port, where the remaining members find it.
"""

import asyncio
import atexit
import gc
import json
import os
import sys
from contextlib import AsyncExitStack, ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trenova.dev import keys, orphans, ports, schema, supervisor
from trenova.dev.postgres import Postgres
from trenova.dev.process import cancel, rotate
from trenova.errors import PartFailed, TrenovaError
from trenova.runtime.installation import members
from trenova.runtime.installation.folder import Folder, write_private

# The parts that write their logs themselves. They reopen a log that was renamed.
WRITERS = ("api", "worker")
CHECK_EVERY_S = 0.25
FAILED, IN_USE = 1, 75


async def run_postgres(folder: Folder) -> None:
    """Run PostgreSQL until no member uses it any more, or until SIGTERM. The caller holds the folder's lock."""
    stopped = asyncio.Event()
    for signal in supervisor.STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(signal, stopped.set)
    async with AsyncExitStack() as stack:
        parts = supervisor.Supervisor(
            on_death=log_error, on_restart=lambda name: write_log(f"{name} is running again.")
        )
        working = asyncio.create_task(serve_postgres(folder, parts, stack))
        ends = [asyncio.create_task(stopped.wait()), asyncio.create_task(wait_until_unused(folder, working))]
        try:
            watched: set[asyncio.Future[Any]] = {working, *ends, parts.failed}
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel(working, *ends)
            # Killed from here on: the next start ends PostgreSQL.
            folder.embedded.unlink(missing_ok=True)
            await parts.stop()
    for task in (working, *ends):
        if not task.cancelled():
            await task  # raises its exception
    if parts.failed.done():
        raise parts.failed.result()


async def serve_postgres(folder: Folder, parts: supervisor.Supervisor, stack: AsyncExitStack) -> None:
    """Start PostgreSQL, write its address to `embedded.json`, and wait until cancelled."""
    await supervisor.end_leftovers(folder, write_log)
    for name in WRITERS:
        rotate(folder.log(name))
    postgres = Postgres(folder.path, port=ports.choose_same(folder.port("postgres")), say=write_log)
    await parts.start(await stack.enter_async_context(postgres.part()))
    await postgres.create_database()
    await schema.prepare(postgres)
    keys.signing_key(folder)
    api_key = await keys.dev_api_key(folder, postgres.operator_url)
    content = {"database_url": postgres.operator_url, "api_key": api_key, "pid": os.getpid()}
    write_private(folder.embedded, json.dumps(content, indent=2) + "\n")
    write_log("PostgreSQL is ready.")
    await asyncio.Event().wait()


async def wait_until_unused(folder: Folder, working: asyncio.Task[None]) -> None:
    """Return when the last member has gone and a new one would see that this keeper is ending."""
    logged: set[str] = set()
    while not try_to_close(folder, logged):  # noqa: ASYNC110 - other processes cannot set an event
        await asyncio.sleep(CHECK_EVERY_S)
    working.cancel()  # before its next step, which could be to write the address again
    write_log("PostgreSQL is no longer used.")


def try_to_close(folder: Folder, logged: set[str]) -> bool:
    """Like `close_if_unused`; False if the members cannot be read, with the reason written to the log once."""
    try:
        return close_if_unused(folder)
    except FileNotFoundError as error:
        raise PartFailed(f"the data folder {folder.path} has been removed: {error.filename} does not exist") from error
    except OSError as error:
        if str(error) not in logged:
            logged.add(str(error))
            write_log(f"Cannot read which processes use PostgreSQL, so it keeps running: {error}")
        return False


def close_if_unused(folder: Folder) -> bool:
    """Close if there is no member: a process that comes later finds no address, and waits until this keeper ends."""
    if members.list_members(folder):
        return False
    try:
        with members.membership_lock(folder, wait=False):
            if members.list_members(folder):
                return False
            members.remove_dead(folder)
            folder.embedded.unlink(missing_ok=True)
            return True
    except BlockingIOError:
        return False  # a member is registering


def write_log(text: str) -> None:
    """Write one line to the keeper's log."""
    sys.stderr.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}\n")


def log_error(error: TrenovaError) -> None:
    for line in (error.message, *getattr(error, "__notes__", ())):
        write_log(line)


def run(data_dir: Path) -> tuple[int, TrenovaError | None]:
    """Run until PostgreSQL is no longer used; returns the exit code and the error, if any."""
    try:
        folder = Folder(data_dir)
        with folder.explain_permission_errors(), ExitStack() as stack:
            try:
                stack.enter_context(folder.hold())
            except PartFailed as error:
                return IN_USE, error
            supervisor.remove_stale_files(folder)
            with orphans.record_this_process(folder.keeper_record):
                asyncio.run(run_postgres(folder))
    except TrenovaError as error:
        return FAILED, error
    return 0, None


def main(data_dir: Path) -> int:
    """Like `run`; writes an error to the log, and as JSON to standard output for the process that started it."""
    atexit.register(gc.freeze)  # as in cli/main
    code, error = run(data_dir)
    if error is not None:
        log_error(error)
        with suppress(BrokenPipeError):  # that process has been killed
            sys.stdout.write(json.dumps({"message": error.message, "hint": error.hint}))
            sys.stdout.flush()
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
