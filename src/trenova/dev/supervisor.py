"""`trenova dev`: starts the parts in order, keeps them running, stops what it started and nothing else.

If this process is killed, at any moment, the parts run on, each with a record or a mark. The next start on the folder
ends them in the order of a normal stop, and then starts as after a clean stop.
"""

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from signal import Signals
from typing import Any

from trenova.dev import keys, orphans, ports, programs, readiness, schema
from trenova.dev.environment import own_environment
from trenova.dev.part import TERMINATE, Part
from trenova.dev.postgres import STOP_SIGNALS as STOP_POSTGRES
from trenova.dev.postgres import Postgres
from trenova.dev.process import Process
from trenova.dev.screen import Screen
from trenova.dev.temporal import Temporal
from trenova.errors import PartFailed
from trenova.runtime.installation import DEFAULT_DATA_DIR, members
from trenova.runtime.installation.folder import Folder
from trenova.runtime.installation.running import DevJson

STOP_SIGNALS = (Signals.SIGINT, Signals.SIGTERM, Signals.SIGHUP)
# Parts that send work stop before the parts that receive it.
STOP_ORDER = {"worker": TERMINATE, "api": TERMINATE, "temporal": TERMINATE, "postgres": STOP_POSTGRES}
PIDS = ("api", "worker", "temporal", "postgres")
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STABLE_S = 60  # a part that has run this long since its restart counts as recovered
MOST_RESTARTS = 10  # in a row, each before the part has recovered
KEEPER_CHECK_EVERY_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The flags of `trenova dev`."""

    data_dir: Path = DEFAULT_DATA_DIR
    api_port: int = 8080
    temporal_port: int = 7233
    ui_port: int = 8233


def run(options: Options) -> int:
    """Run everything until Ctrl-C or SIGTERM; returns 0 after a clean stop, raises PartFailed if a part cannot run."""
    for name in os.environ.keys() - own_environment(os.environ).keys():
        del os.environ[name]  # libpq and Temporal's client read them in this process too
    return asyncio.run(serve(options, Screen()))


async def serve(options: Options, screen: Screen) -> int:
    folder = Folder(options.data_dir)
    with folder.explain_permission_errors():
        await wait_until_free(folder)
        with folder.hold():
            remove_stale_files(folder)
            with orphans.record_this_process(folder.dev_record):
                async with AsyncExitStack() as stack:
                    await Run(options, folder, screen, stack).run_until_stopped()
    return 0


async def wait_until_free(folder: Folder) -> None:
    """Return when no keeper runs in the folder. Raises PartFailed while other processes use its PostgreSQL.

    This includes a killed keeper, which has left its record: taking the folder would end the PostgreSQL that they use.
    """
    while folder.keeper_record.exists():
        if users := members.list_members(folder):
            names = " and ".join(map(str, users))
            raise PartFailed(
                f"the data folder {folder.path} is in use: its PostgreSQL runs for {names}",
                hint="stop them first (Ctrl-C in their terminals), or name another folder with --data-dir",
            )
        if orphans.recorded_process(folder.keeper_record) is None:
            return
        await asyncio.sleep(KEEPER_CHECK_EVERY_S)


def remove_stale_files(folder: Folder) -> None:
    """Remove the records and addresses that a killed run has left. The caller holds the folder's lock.

    This comes before the new run is recorded: a process that finds the new record must not read old addresses.
    A process that finds no record starts a keeper, which finds the folder locked and is started again later.
    """
    folder.state.unlink(missing_ok=True)
    folder.embedded.unlink(missing_ok=True)
    for record in (folder.dev_record, folder.keeper_record):
        orphans.remove_record(record)


def find_leftovers(folder: Folder) -> list[int]:
    """The pids of the parts that a killed run has left."""
    return [process.pid for name in STOP_ORDER for process in orphans.find(folder.record(name))]


async def end_leftovers(folder: Folder, say: Callable[[str], None]) -> None:
    """End the parts that a killed run has left. The caller holds the folder's lock."""
    for name, signals in STOP_ORDER.items():
        if await orphans.end(folder.record(name), signals):
            say(f"Ended the {name} process that a killed run had left running.")


class Supervisor:
    """Runs parts. One that dies is reported and restarted; `failed` resolves when restarts do not help."""

    def __init__(self, *, on_death: Callable[[PartFailed], None], on_restart: Callable[[str], None]) -> None:
        self.failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self._processes: dict[str, Process] = {}
        self._watchers: list[asyncio.Task[None]] = []
        self._on_death = on_death
        self._on_restart = on_restart

    @property
    def pids(self) -> dict[str, int]:
        return {name: self._processes[name].pid for name in PIDS if name in self._processes}

    async def start(self, part: Part) -> None:
        """Start a part, wait until it is ready, and watch it from then on."""
        process = await self._launch(part)
        watcher = asyncio.create_task(self._watch(process))
        watcher.add_done_callback(self._report_failure)
        self._watchers.append(watcher)

    async def start_together(self, *parts: Part) -> None:
        """Start independent parts at the same time; raises the first failure."""
        try:
            async with asyncio.TaskGroup() as group:
                for part in parts:
                    group.create_task(self.start(part))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def stop(self) -> None:
        """Stop all parts, those that send work before those that receive it."""
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        for name in STOP_ORDER:
            if name in self._processes:
                await self._processes[name].stop()

    def hurry(self) -> None:
        """Cut a running stop short. Nothing that was acknowledged depends on a clean end of the parts."""
        for process in self._processes.values():
            process.hurry()

    async def _launch(self, part: Part) -> Process:
        process = await Process.spawn(part)
        self._processes[part.name] = process
        await process.wait_ready()
        return process

    async def _watch(self, process: Process) -> None:
        restarts = 0
        while True:
            began = time.monotonic()
            self._on_death(await process.wait_until_lost())
            restarts = 0 if time.monotonic() - began > STABLE_S else restarts
            process, restarts = await self._restart(process.part, restarts)
            self._on_restart(process.part.name)

    def _report_failure(self, watcher: asyncio.Task[None]) -> None:
        error = None if watcher.cancelled() else watcher.exception()
        if error is not None and not self.failed.done():
            self.failed.set_result(error)

    async def _restart(self, part: Part, restarts: int) -> tuple[Process, int]:
        while restarts < MOST_RESTARTS:
            await asyncio.sleep(min(FIRST_PAUSE_S * 2**restarts, LONGEST_PAUSE_S))
            restarts += 1
            try:
                return await self._launch(part), restarts
            except PartFailed as error:
                await self._processes[part.name].stop()
                self._on_death(error)
        raise PartFailed(
            f"{part.name} keeps failing: {restarts} restarts did not help", hint=f"the whole log is in {part.log}"
        )


class Run:
    """One run of `trenova dev`, from the first part to the last signal. `stack` holds the locks on the parts' data."""

    def __init__(self, options: Options, folder: Folder, screen: Screen, stack: AsyncExitStack) -> None:
        self._options = options
        self._folder = folder
        self._screen = screen
        self._stack = stack
        self._supervisor = Supervisor(on_death=screen.show_death, on_restart=self._report_restart)
        self._stopped = asyncio.Event()
        self._state: DevJson | None = None

    async def run_until_stopped(self) -> None:
        loop = asyncio.get_running_loop()
        for signal in STOP_SIGNALS:
            loop.add_signal_handler(signal, self._interrupt)
        working = asyncio.create_task(self._work())
        stopped = asyncio.create_task(self._stopped.wait())
        try:
            watched: set[asyncio.Future[Any]] = {working, stopped, self._supervisor.failed}
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Killed from here on: the next start ends the parts that still run, as after any kill.
            self._folder.state.unlink(missing_ok=True)
            self._state = None  # a part that is restarted just now must not write it again
            working.cancel()
            stopped.cancel()
            (ended, _) = await asyncio.gather(working, stopped, return_exceptions=True)
            if isinstance(ended, PartFailed):
                self._screen.show_log_end(ended)
            with (
                self._screen.progress("Stopping (press Ctrl-C again to stop at once)")
                if self._supervisor.pids
                else nullcontext()
            ):
                await self._supervisor.stop()
        if isinstance(ended, Exception):
            raise ended
        if self._supervisor.failed.done():
            raise self._supervisor.failed.result()
        self._screen.say("Stopped.")

    def _interrupt(self) -> None:
        if self._stopped.is_set():
            self._supervisor.hurry()
        self._stopped.set()

    async def _work(self) -> None:
        """Start everything, write and show the addresses, and wait until cancelled."""
        self._state = await self._start()
        self._state.write(self._folder.state)
        self._screen.show_ready(self._state, self._folder.path)
        await asyncio.Event().wait()

    async def _start(self) -> DevJson:
        options, folder, screen, supervisor = self._options, self._folder, self._screen, self._supervisor
        health_port = ports.choose()
        api_url = f"http://{ports.LOCALHOST}:{options.api_port}"
        temporal = Temporal(
            folder.path,
            port=options.temporal_port,
            ui_port=options.ui_port,
            codec_endpoint=f"{api_url}{programs.CODEC_PATH}",
        )
        # Before leftovers are ended: if this check fails, processes that use the old PostgreSQL can keep using it.
        ports.check(
            {"--api-port": options.api_port, "--temporal-port": options.temporal_port, "--ui-port": options.ui_port},
            besides=await asyncio.to_thread(find_leftovers, folder),
        )
        await end_leftovers(folder, screen.say)
        postgres = Postgres(folder.path, port=ports.choose_same(folder.port("postgres")), say=screen.say)
        with screen.progress("Starting PostgreSQL"):
            await supervisor.start(await self._stack.enter_async_context(postgres.part()))
            await postgres.create_database()
        with screen.progress("Starting Temporal"):
            await supervisor.start(self._stack.enter_context(temporal.part()))
        with screen.progress("Preparing the database"):
            await schema.prepare(postgres)
            api_key = await keys.dev_api_key(folder, postgres.operator_url)
        with screen.progress("Starting the API and the worker"):
            await supervisor.start_together(
                programs.api_part(folder, postgres, temporal, options.api_port),
                programs.worker_part(folder, postgres, temporal, health_port),
            )
        with screen.progress("Sending a probe entry through all parts"):
            await readiness.send_probe(api_url, api_key)
        return DevJson(
            api_url=api_url,
            api_key=api_key,
            temporal_address=temporal.address,
            temporal_namespace=temporal.namespace,
            ui_url=f"http://{ports.LOCALHOST}:{options.ui_port}",
            database_url=postgres.operator_url,
            metrics_url=f"{api_url}/metrics",
            worker_metrics_url=f"http://{ports.LOCALHOST}:{health_port}/metrics",
            pids=supervisor.pids,
        )

    def _report_restart(self, name: str) -> None:
        self._screen.say(f"{name} is running again.")
        if self._state is not None:
            self._state = replace(self._state, pids=self._supervisor.pids)
            self._state.write(self._folder.state)
