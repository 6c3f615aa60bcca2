"""`trenova dev`: starts the parts in order, keeps them running, stops what it started and nothing else.

What a kill of this process leaves, whenever it comes: parts that go on running, each with a record or a mark. The
next start on the folder ends them in the same order as a stop does, and begins as it would after a clean stop.
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

from trenova.config import DEFAULT_DATA_DIR
from trenova.dev import keys, orphans, ports, programs, readiness, registry, schema
from trenova.dev.environment import own_world
from trenova.dev.part import TERMINATE, Part
from trenova.dev.postgres import STOP_SIGNALS as STOP_POSTGRES
from trenova.dev.postgres import Postgres
from trenova.dev.process import Process
from trenova.dev.screen import Screen
from trenova.dev.temporal import Temporal
from trenova.errors import PartFailed
from trenova.runtime.installation.folder import Folder
from trenova.runtime.installation.running import DevJson

STOP_SIGNALS = (Signals.SIGINT, Signals.SIGTERM, Signals.SIGHUP)
# Those that send work before those that take it.
STOP_ORDER = {"worker": TERMINATE, "api": TERMINATE, "temporal": TERMINATE, "postgres": STOP_POSTGRES}
PIDS = ("api", "worker", "temporal", "postgres")
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
CALM_S = 60  # a part that has run this long after a restart is well again
MOST_RESTARTS = 10  # without a calm time between them


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the flags of `trenova dev` say."""

    data_dir: Path = DEFAULT_DATA_DIR
    api_port: int = 8080
    temporal_port: int = 7233
    ui_port: int = 8233


def run(options: Options) -> int:
    """Run everything until Ctrl-C or SIGTERM; 0 after a clean stop, `PartFailed` when a part cannot run."""
    for name in os.environ.keys() - own_world(os.environ).keys():
        del os.environ[name]  # libpq and Temporal's client read them in this process too
    return asyncio.run(serve(options, Screen()))


async def serve(options: Options, screen: Screen) -> int:
    folder = Folder(options.data_dir)
    with folder.owned():
        await registry.wait_until_gone(folder)
        with folder.locked():
            remove_states(folder)
            with orphans.recording(folder.record(registry.DEV)):
                async with AsyncExitStack() as stack:
                    await Run(options, folder, screen, stack).until_stopped()
    return 0


def remove_states(folder: Folder) -> None:
    """Remove what a run that was killed has said about itself and where things are. The caller holds the folder.

    It does so before it is recorded: whoever finds the new record must not take the old addresses for the new run's.
    Whoever looks meanwhile finds no record, and starts a keeper, which finds the folder held and is tried again.
    """
    folder.state.unlink(missing_ok=True)
    folder.embedded.unlink(missing_ok=True)
    for name in (registry.DEV, registry.KEEPER):
        orphans.forget(folder.record(name))


def leftovers(folder: Folder) -> list[int]:
    """The processes of a run that was killed."""
    return [process.pid for name in STOP_ORDER for process in orphans.find(folder.record(name))]


async def end_leftovers(folder: Folder, say: Callable[[str], None]) -> None:
    """End the processes of a run that was killed. The caller holds the folder."""
    for name, signals in STOP_ORDER.items():
        if await orphans.end(folder.record(name), signals):
            say(f"Ended the {name} process that a killed run left behind.")


class Supervisor:
    """Runs parts. One that dies is reported and started again; `failed` resolves when that is no use."""

    def __init__(self, *, died: Callable[[PartFailed], None], back: Callable[[str], None]) -> None:
        self.failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self._processes: dict[str, Process] = {}
        self._watchers: list[asyncio.Task[None]] = []
        self._died = died
        self._back = back

    @property
    def pids(self) -> dict[str, int]:
        return {name: self._processes[name].pid for name in PIDS if name in self._processes}

    async def start(self, part: Part) -> None:
        """Start a part, wait until it is ready and watch it from then on."""
        process = await self._launch(part)
        watcher = asyncio.create_task(self._watch(process))
        watcher.add_done_callback(self._given_up)
        self._watchers.append(watcher)

    async def start_together(self, *parts: Part) -> None:
        """Start parts that do not need each other to start; the first failure counts."""
        try:
            async with asyncio.TaskGroup() as group:
                for part in parts:
                    group.create_task(self.start(part))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def stop(self) -> None:
        """Stop all parts, those that send work before those that take it."""
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        for name in STOP_ORDER:
            if name in self._processes:
                await self._processes[name].stop()

    def hurry(self) -> None:
        """Make a stop that is under way short: nothing that was acknowledged needs the parts to end well."""
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
            self._died(await process.until_lost())
            restarts = 0 if time.monotonic() - began > CALM_S else restarts
            process, restarts = await self._restart(process.part, restarts)
            self._back(process.part.name)

    def _given_up(self, watcher: asyncio.Task[None]) -> None:
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
                self._died(error)
        raise PartFailed(
            f"{part.name} keeps dying: {restarts} restarts did not help", hint=f"the whole log is in {part.log}"
        )


class Run:
    """One run of `trenova dev`, from the first part to the last signal. `stack` holds the locks on the parts' data."""

    def __init__(self, options: Options, folder: Folder, screen: Screen, stack: AsyncExitStack) -> None:
        self._options = options
        self._folder = folder
        self._screen = screen
        self._stack = stack
        self._supervisor = Supervisor(died=screen.died, back=self._back)
        self._stopped = asyncio.Event()
        self._state: DevJson | None = None

    async def until_stopped(self) -> None:
        loop = asyncio.get_running_loop()
        for signal in STOP_SIGNALS:
            loop.add_signal_handler(signal, self._interrupt)
        working = asyncio.create_task(self._work())
        stopped = asyncio.create_task(self._stopped.wait())
        try:
            watched: set[asyncio.Future[Any]] = {working, stopped, self._supervisor.failed}
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Killed from here on: parts that are still up are ended by the next start, like those of any killed run.
            self._folder.state.unlink(missing_ok=True)
            self._state = None  # a part that comes back just now must not write it again
            working.cancel()
            stopped.cancel()
            (ended, _) = await asyncio.gather(working, stopped, return_exceptions=True)
            if isinstance(ended, PartFailed):
                self._screen.end_of_log(ended)
            with self._screen.doing("Stopping (Ctrl-C again: at once)") if self._supervisor.pids else nullcontext():
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
        """Bring everything up, say where it is, and stay until cancelled."""
        self._state = await self._start()
        self._state.write(self._folder.state)
        self._screen.ready(self._state, self._folder.path)
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
        # Before what was left is ended: where this start ends here, those that still use that PostgreSQL keep it.
        ports.check(
            {"--api-port": options.api_port, "--temporal-port": options.temporal_port, "--ui-port": options.ui_port},
            besides=await asyncio.to_thread(leftovers, folder),
        )
        await end_leftovers(folder, screen.say)
        postgres = Postgres(folder.path, port=ports.choose_again(folder.port("postgres")), say=screen.say)
        with screen.doing("Starting PostgreSQL"):
            await supervisor.start(await self._stack.enter_async_context(postgres.part()))
            await postgres.create_database()
        with screen.doing("Starting Temporal"):
            await supervisor.start(self._stack.enter_context(temporal.part()))
        with screen.doing("Preparing the database"):
            await schema.prepare(postgres)
            api_key = await keys.dev_key(folder, postgres.operator_url)
        with screen.doing("Starting the API and the worker"):
            await supervisor.start_together(
                programs.api(folder, postgres, temporal, options.api_port),
                programs.worker(folder, postgres, temporal, health_port),
            )
        with screen.doing("Sending a probe entry through all parts"):
            await readiness.probe(api_url, api_key)
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

    def _back(self, name: str) -> None:
        self._screen.say(f"{name} is back.")
        if self._state is not None:
            self._state = replace(self._state, pids=self._supervisor.pids)
            self._state.write(self._folder.state)
