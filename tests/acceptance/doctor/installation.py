"""A running installation whose parts can be stopped, killed, frozen and started with other settings."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

import prepared
from acceptance.encrypted import Program, Site, encrypting, new_key
from conftest import new_tenant
from databases import urls_of
from examples import entry
from trenova.cli.doctor import run_checks
from trenova.config import load
from trenova.dev.part import Part
from trenova.dev.postgres import Postgres
from trenova.dev.process import Process
from trenova.dev.temporal import Temporal
from trenova.doctor.checks import DOCTOR
from trenova.doctor.context import DoctorOptions
from trenova.doctor.finding import Finding
from trenova.store import Store

SERVERS, PROGRAMS = ("postgres", "temporal"), ("api", "worker")


@dataclass(slots=True, kw_only=True)
class Installation:
    """PostgreSQL, Temporal, an API and a worker with encryption on, each of which a test may disturb."""

    site: Site
    postgres: Postgres
    parts: Mapping[str, Part]
    variables: Mapping[str, str] = field(repr=False)
    """The settings of API, worker and doctor with which everything works."""
    servers: dict[str, Process] = field(default_factory=dict)
    programs: dict[str, Program] = field(default_factory=dict)

    def pid(self, name: str) -> int:
        return self.servers[name].pid if name in SERVERS else self.programs[name].process.pid

    async def start(self, name: str, variables: Mapping[str, str] | None = None) -> None:
        if name in SERVERS:
            self.servers[name] = await Process.start(self.parts[name])
        else:
            self.programs[name] = await self.site.start(name, self.variables if variables is None else variables)

    async def stop(self, name: str) -> None:
        if name in SERVERS:
            await self.servers.pop(name).stop()
        else:
            await self.programs.pop(name).stop()

    async def stop_everything(self) -> None:
        for name in reversed((*SERVERS, *PROGRAMS)):
            if name in self.servers or name in self.programs:
                await self.stop(name)

    @asynccontextmanager
    async def while_stopped(self, name: str) -> AsyncIterator[None]:
        await self.stop(name)
        try:
            yield
        finally:
            await self.start(name)

    @asynccontextmanager
    async def while_killed(self, name: str) -> AsyncIterator[None]:
        program = self.programs.pop(name)
        program.process.kill()
        await program.process.wait()
        try:
            yield
        finally:
            await self.start(name)

    @contextmanager
    def while_frozen(self, name: str) -> Iterator[None]:
        """Suspend a part and its child processes within the block."""
        server = psutil.Process(self.pid(name))
        processes = [server, *server.children(recursive=True)]
        for process in processes:
            os.kill(process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process.pid, signal.SIGCONT)

    @asynccontextmanager
    async def restarted_with(self, name: str, variables: Mapping[str, str]) -> AsyncIterator[None]:
        """Run the API or the worker with these variables instead of its own within the block."""
        await self.stop(name)
        await self.start(name, variables)
        try:
            yield
        finally:
            await self.stop(name)
            await self.start(name)

    async def accept(self) -> None:
        """Have one more entry accepted."""
        async with self.site.client() as client:
            answer = await client.post("/v1/entries", json={**entry(), "tenant": new_tenant()})
        assert answer.status_code == 202, answer.text

    async def examine(self, variables: Mapping[str, str] | None = None) -> list[Finding]:
        """The findings of the doctor, which runs in this process to save its start."""
        environ = self.site.environment(self.variables if variables is None else variables)
        options = DoctorOptions(
            settings=load(environ),
            data_dir=self.site.folder / "none",
            api_url=self.site.api_url,
            api_key=environ.get("TRENOVA_API_KEY"),
            ui_origins=(),
            environ=environ,
        )
        return await run_checks(DOCTOR, lambda: options)


@asynccontextmanager
async def run_installation(folder: Path) -> AsyncIterator[Installation]:
    """A healthy installation, in which one entry is stored."""
    path = folder / f"installation-{os.urandom(4).hex()}"
    path.mkdir(mode=0o755)
    postgres, temporal = Postgres(prepared.prepare(path / "database")), Temporal(path / "temporal")
    key = encrypting("a", a=new_key())
    async with AsyncExitStack() as stack:
        parts = {
            "postgres": await stack.enter_async_context(postgres.part()),
            "temporal": stack.enter_context(temporal.part()),
        }
        without_key = Site(path, temporal, urls_of(postgres), api_key="")
        running = Installation(site=without_key, postgres=postgres, parts=parts, variables=key)
        stack.push_async_callback(running.stop_everything)
        await asyncio.gather(*(running.start(name) for name in SERVERS))
        async with Store.open(postgres.operator_url) as store:
            api_key = (await store.api_keys.create(tenant=None, role="admin", name="test", by="test")).text
        running.site = replace(without_key, api_key=api_key)
        running.variables = {**key, "TRENOVA_API_KEY": api_key}
        await asyncio.gather(*(running.start(name) for name in PROGRAMS))
        await running.site.store({**entry(), "tenant": new_tenant()})
        yield running
