"""The whole product in its own folder, with a link in every connection between its parts."""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from signal import Signals

import psutil
import psycopg
from sqlalchemy.engine import make_url

from chaos.links import Link
from trenova.dev import keys, ports, programs, schema, watchdog
from trenova.dev.environment import own_environment
from trenova.dev.part import KILL_LIMIT_S, Part
from trenova.dev.postgres import Postgres
from trenova.dev.process import Process
from trenova.dev.temporal import Temporal
from trenova.dev.watchdog import Watchdog
from trenova.errors import PartFailed

TRIES = 3
START_ORDER = ("postgres", "temporal", "api", "worker")

Connection = psycopg.AsyncConnection[tuple[object, ...]]


@dataclass(slots=True)
class Rig:
    """The running parts by name, and the links between them."""

    folder: Path
    postgres: Postgres
    temporal: Temporal
    parts: Mapping[str, Part]
    links: Mapping[str, Link]
    api_key: str = field(repr=False)
    health_port: int = field(default_factory=ports.choose)
    """Of the worker's own pages."""
    processes: dict[str, Process] = field(default_factory=dict)
    busy: set[str] = field(default_factory=set)
    """Parts that a fault has stopped."""
    deaths: list[str] = field(default_factory=list)
    """Parts that exited without a fault, or that ran but were stuck, with the end of their logs."""
    given_up: int = 0
    """How many of those ran but were stuck."""
    watches: dict[str, tuple[Process, Watchdog]] = field(default_factory=dict)
    looked_at: float = 0.0
    """When the watchdogs last checked the running parts, by the monotonic clock."""

    @property
    def url(self) -> str:
        """The API as clients reach it: through a link."""
        return f"http://{ports.LOCALHOST}:{self.links['client-api'].port}"

    @property
    def direct_url(self) -> str:
        return f"http://{ports.LOCALHOST}:{self.links['client-api'].to_port}"

    async def start(self, name: str) -> None:
        """Start a part and return when it is ready. A start that fails is tried again."""
        for left in reversed(range(TRIES)):
            try:
                self.processes[name] = await Process.start(self.parts[name])
            except PartFailed as error:
                if not left:
                    raise
                self.remember(error)
            else:
                self.busy.discard(name)
                return

    async def start_all(self, names: tuple[str, ...] = START_ORDER) -> None:
        """In the order in which they need each other; API and worker together."""
        for name in ("postgres", "temporal"):
            if name in names:
                await self.start(name)
        async with asyncio.TaskGroup() as group:
            for name in ("api", "worker"):
                if name in names:
                    group.create_task(self.start(name))

    async def kill(self, names: tuple[str, ...]) -> None:
        """SIGKILL, all together."""
        self.busy.update(names)
        for name in names:
            self.processes[name].send(Signals.SIGKILL)
        for name in names:
            async with asyncio.timeout(KILL_LIMIT_S):
                await self.processes[name].wait_until_ended()

    async def terminate(self, name: str) -> None:
        """SIGTERM, as a deploy does, until the part has drained and ended."""
        self.busy.add(name)
        await self.processes[name].stop()

    def pids(self, name: str) -> list[psutil.Process]:
        """The part's process and all that it has started."""
        with suppress(psutil.NoSuchProcess):
            top = psutil.Process(self.processes[name].pid)
            return [top, *top.children(recursive=True)]
        return []

    def signal(self, name: str, signal: Signals) -> None:
        for process in self.pids(name):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal)

    async def revive(self) -> None:
        """Restart parts that exited on their own and parts that are stuck; remember both."""
        await self.give_up_useless()
        for name in START_ORDER:
            process = self.processes[name]
            if name in self.busy or not has_ended(process):
                continue
            failure = process.failure(f"{name} {process.exit_description}")
            self.remember(failure)
            await self.start(name)

    async def give_up_useless(self) -> None:
        """Restart stuck parts, by the watchdogs of `trenova dev`. They count their checks, so keep their interval."""
        if time.monotonic() - self.looked_at < watchdog.CHECK_EVERY_S:
            return
        self.looked_at = time.monotonic()
        for name in START_ORDER:
            process = self.processes[name]
            if name in self.busy or has_ended(process) or (part_watchdog := self.watch_of(name, process)) is None:
                continue
            if (reason := await part_watchdog.check(process.pid)) is not None:
                self.remember(await process.abort(reason))
                self.given_up += 1
                await self.start(name)

    def watch_of(self, name: str, process: Process) -> Watchdog | None:
        """The watchdog of this process of the part: each process has its own, which remembers what it saw."""
        if process.part.watchdog is None:
            return None
        if name not in self.watches or self.watches[name][0] is not process:
            self.watches[name] = (process, process.part.watchdog())
        return self.watches[name][1]

    def remember(self, failure: PartFailed) -> None:
        self.deaths.append(f"{failure.message}: {' | '.join(getattr(failure, '__notes__', [])[-3:])}")

    async def connect(self) -> Connection:
        """To the database as its owner, past the links."""
        return await self.postgres.connect("trenova")

    async def stop(self) -> None:
        for name in reversed(START_ORDER):
            if name in self.processes:
                self.signal(name, Signals.SIGCONT)  # a paused process would never exit
                self.processes[name].hurry()  # its state is not needed any more
                await self.processes[name].stop()


def has_ended(process: Process) -> bool:
    try:
        return psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def new_folder() -> Path:
    """A folder that PostgreSQL's own user may enter."""
    path = Path(tempfile.mkdtemp(prefix="trenova-chaos-"))
    path.chmod(0o755)
    return path


@asynccontextmanager
async def rig_running(folder: Path) -> AsyncIterator[Rig]:
    """Everything ready. Whatever is started here is stopped here, however the block ends."""
    for name in os.environ.keys() - own_environment(os.environ).keys():
        del os.environ[name]  # no other server or settings
    postgres, temporal, api_port = Postgres(folder / "data"), Temporal(folder / "data"), ports.choose()
    async with AsyncExitStack() as stack:
        links = {
            name: await stack.enter_async_context(Link(name, to_port).open())
            for name, to_port in {
                "client-api": api_port,
                "api-temporal": temporal.port,
                "worker-temporal": temporal.port,
                "api-postgres": postgres.port,
                "worker-postgres": postgres.port,
            }.items()
        }
        parts = {
            "postgres": await stack.enter_async_context(postgres.part()),
            "temporal": stack.enter_context(temporal.part()),
        }
        rig = Rig(folder, postgres, temporal, parts, links, api_key="")
        stack.push_async_callback(rig.stop)
        await rig.start("postgres")
        await postgres.create_database()
        await schema.prepare(postgres)
        await rig.start("temporal")
        rig.api_key = await keys.dev_api_key(postgres.folder, postgres.operator_url)
        folder_of_both = folder / "work"
        folder_of_both.mkdir()
        rig.parts = parts | {
            "api": through(
                programs.api_part(postgres.folder, postgres, temporal, api_port), "api", rig, folder_of_both
            ),
            "worker": through(
                programs.worker_part(postgres.folder, postgres, temporal, rig.health_port),
                "worker",
                rig,
                folder_of_both,
            ),
        }
        await rig.start_all(("api", "worker"))
        yield rig


def through(part: Part, name: str, rig: Rig, folder: Path) -> Part:
    """The part with its connections through its links, and a folder without a configuration file."""
    database = make_url(part.env["TRENOVA_DATABASE__URL"]).set(port=rig.links[f"{name}-postgres"].port)
    env = {key: value for key, value in part.env.items() if not key.startswith("TRENOVA_API__CODEC")} | {
        "TRENOVA_DATABASE__URL": database.render_as_string(hide_password=False),
        "TRENOVA_TEMPORAL__HOST_PORT": f"{ports.LOCALHOST}:{rig.links[f'{name}-temporal'].port}",
    }
    return replace(part, env=env, folder=folder)
