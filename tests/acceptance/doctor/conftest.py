"""A healthy installation, in which tests cause one fault at a time, and the report of `trenova doctor`."""

import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

import prepared
from acceptance.conftest import CommandResult, Dev, dev_with
from acceptance.encrypted import Site, start_site
from trenova.dev.postgres import Postgres
from waiting import becomes, eventually

SHIMS = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """The output of `trenova doctor --json`."""

    exit_code: int
    findings: dict[str, dict[str, Any]]

    def fault(self, check: str, state: str = "failed") -> str:
        """The cause and the next step of a check that is not ok; fails unless it has both."""
        finding = self.findings[check]
        assert finding["state"] == state, self
        assert finding["next_step"], finding
        return f"{finding['cause']} → {finding['next_step']}"

    def states(self, state: str) -> set[str]:
        return {name for name, finding in self.findings.items() if finding["state"] == state}


def report_of(ended: CommandResult) -> DoctorReport:
    assert ended.err == "", ended
    output = ended.json
    assert output["exit_code"] == ended.exit_code
    return DoctorReport(ended.exit_code, {finding["check"]: finding for finding in output["findings"]})


async def doctor(site: Site, **variables: str) -> DoctorReport:
    return report_of(await site.command("doctor", "--json", **{"TRENOVA_API_KEY": site.api_key, **variables}))


async def doctor_until(site: Site, condition: Callable[[DoctorReport], object], **variables: str) -> DoctorReport:
    """The report of the doctor once the condition is true."""
    return await eventually(lambda: doctor(site, **variables), condition)


@pytest.fixture(scope="module")
async def database(folder: Path) -> AsyncIterator[Postgres]:
    """A database for these tests only, because they damage it."""
    async with Postgres(prepared.prepare(folder / f"doctor-{os.urandom(4).hex()}")).running() as server:
        yield server


@pytest.fixture(scope="module")
async def running_site(folder: Path, database: Postgres) -> AsyncIterator[Site]:
    """A site with an API and a worker."""
    async with start_site(folder, database) as made, made.running(["api", "worker"], {}):
        yield made


@pytest.fixture
async def site(running_site: Site) -> Site:
    """The same once its API is ready, whatever the test before has done to its database."""
    async with running_site.client() as client:

        async def is_ready() -> bool:
            return (await client.get("/readyz")).is_success

        await becomes(is_ready)
    return running_site


@pytest.fixture(scope="module")
async def owner(database: Postgres) -> AsyncIterator[psycopg.AsyncConnection[tuple[Any, ...]]]:
    async with await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def healthy() -> Iterator[Dev]:
    with dev_with() as running:
        yield running


def shim(source: Path, folder: Path) -> str:
    """Compile the source; returns the library to preload."""
    library = folder / f"{source.stem}.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(source), "-ldl"], check=True)
    return str(library)
