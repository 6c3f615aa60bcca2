"""An installation with everything in order, whose faults are made one at a time, and what `trenova doctor` says."""

import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from acceptance.conftest import Dev, Ended
from acceptance.encrypted import Site, dev_with, site
from trenova.dev import schema
from trenova.dev.postgres import Postgres

SHIMS = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Told:
    """What `trenova doctor --json` has said."""

    exit_code: int
    findings: dict[str, dict[str, Any]]

    def fault(self, check: str, state: str = "failed") -> str:
        """The cause and the next step of a check that is not ok; fails unless it has both."""
        found = self.findings[check]
        assert found["state"] == state, self
        assert found["next_step"], found
        return f"{found['cause']} → {found['next_step']}"

    def states(self, state: str) -> set[str]:
        return {name for name, found in self.findings.items() if found["state"] == state}


def told(ended: Ended) -> Told:
    assert ended.err == "", ended
    said = ended.json
    assert said["exit_code"] == ended.exit_code
    return Told(ended.exit_code, {found["check"]: found for found in said["findings"]})


async def doctor(place: Site, **variables: str) -> Told:
    return told(await place.command("doctor", "--json", **{"TRENOVA_API_KEY": place.api_key, **variables}))


@pytest.fixture(scope="module")
async def database(folder: Path) -> AsyncIterator[Postgres]:
    """Of these tests alone: they spoil it."""
    async with Postgres(folder / f"doctor-{os.urandom(4).hex()}").running() as server:
        await schema.prepare(server)
        yield server


@pytest.fixture(scope="module")
async def place(folder: Path, database: Postgres) -> AsyncIterator[Site]:
    """With an API and a worker."""
    async with site(folder, database) as made, made.running(["api", "worker"], {}):
        yield made


@pytest.fixture(scope="module")
async def owner(database: Postgres) -> AsyncIterator[psycopg.AsyncConnection[tuple[Any, ...]]]:
    async with await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def healthy() -> Iterator[Dev]:
    with dev_with() as running:
        yield running


def shim(source: Path, folder: Path) -> str:
    """The library to preload."""
    library = folder / f"{source.stem}.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(source), "-ldl"], check=True)
    return str(library)
