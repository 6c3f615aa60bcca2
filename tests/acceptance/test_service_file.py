"""A login in a service file: its host is resolved without blocking the process, and libpq reads the rest."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from acceptance.doctor.conftest import SHIMS, shim
from trenova.dev.postgres import Postgres
from trenova.store import Store
from trenova.store.pool import sqlalchemy_url
from trenova.store.service_file import with_host_of_service

ADDRESS = "postgresql:///?service=trenova"
SILENT_S = 60  # as in silent.c
MEASURE_STALLS = """
import asyncio, json, sys, time
import uvloop
from trenova.errors import TrenovaError
from trenova.store import Store

async def check():
    async with Store.open(sys.argv[1]) as store:
        try:
            async with asyncio.timeout(3):
                await store.check()
        except (TimeoutError, TrenovaError) as error:
            return type(error).__name__

async def main():
    looking, longest = asyncio.create_task(check()), 0.0
    while not looking.done():
        before = time.monotonic()
        await asyncio.sleep(0.05)
        longest = max(longest, time.monotonic() - before)
    print(json.dumps({"stalled_s": longest, "error": looking.result()}), flush=True)

with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
"""


def file_for(folder: Path, settings: Mapping[str, object]) -> Path:
    file = folder / "trenova.pg_service.conf"
    file.write_text("\n".join(["[trenova]", *(f"{name}={value}" for name, value in settings.items())]))
    return file


def test_a_name_server_that_does_not_answer_does_not_block_the_process(tmp_path: Path) -> None:
    file = file_for(tmp_path, {"host": "database.silent", "dbname": "trenova", "user": "trenova"})
    environ = os.environ | {
        "PGSERVICEFILE": str(file),
        "LD_PRELOAD": shim(SHIMS / "doctor" / "silent.c", tmp_path),
    }
    words = [sys.executable, "-c", MEASURE_STALLS, ADDRESS]
    with subprocess.Popen(words, env=environ, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        printed = json.loads(program.stdout.readline())
        program.kill()  # the lookup itself takes its full minute, and Python waits for it at exit
    assert printed["error"] == "TimeoutError"
    assert printed["stalled_s"] < SILENT_S / 2


async def test_the_other_parameters_are_read_from_the_file(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_url(postgres.worker_url)
    login = {"host": url.host, "port": url.port, "dbname": url.database, "user": url.username, "password": url.password}
    monkeypatch.setenv("PGSERVICEFILE", str(file_for(tmp_path, login)))
    async with Store.open(ADDRESS) as store:
        await store.check()
    assert with_host_of_service(sqlalchemy_url(ADDRESS)).query == {
        "service": "trenova",
        "host": str(url.host),
        "port": str(url.port),
    }
    assert "PGSERVICE" not in os.environ


@pytest.mark.parametrize("address", ["postgresql://somewhere/trenova?service=trenova", "postgresql:///trenova"])
def test_an_address_with_a_host_or_without_a_service_is_unchanged(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSERVICEFILE", str(file_for(tmp_path, {"host": "elsewhere"})))
    assert with_host_of_service(make_url(address)) == make_url(address)


def test_an_unknown_service_is_left_to_libpq(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "missing"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "host" not in with_host_of_service(make_url(ADDRESS)).query
