"""A real PostgreSQL: stopped, killed, moved, under other users and from other binaries."""

import os
import shutil
import signal
from pathlib import Path

import psutil
import psycopg
import pytest

from acceptance.dev.observed import count_stored, pid_of, store_one
from trenova.dev import binaries
from trenova.dev.postgres import Postgres
from trenova.errors import PartFailed
from trenova.runtime.installation.folder import Folder, read_json

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")


@pytest.fixture
def private_folder(folder: Path) -> Path:
    folder.chmod(0o700)
    return folder


async def test_postgres_loses_nothing_when_it_is_stopped_or_killed(folder: Path) -> None:
    async with Postgres(folder).running() as postgres:
        store_one(postgres)
    assert not Folder(folder).record("postgres").exists()
    async with Postgres(folder).running() as postgres:
        store_one(postgres)
        os.kill(pid_of(folder, "postgres"), signal.SIGKILL)
    async with Postgres(folder).running() as postgres:
        assert count_stored(postgres) == 2


async def test_postgres_flushes_commits_to_disk_and_listens_on_loopback_only(folder: Path) -> None:
    async with Postgres(folder).running() as postgres:
        with psycopg.connect(postgres.owner_url) as connection:
            rows = connection.execute("SELECT name, setting FROM pg_settings").fetchall()
            encoding = connection.execute("SHOW server_encoding").fetchone()
        pid = pid_of(folder, "postgres")
        listening = {each.laddr.ip for each in psutil.Process(pid).net_connections() if each.status == "LISTEN"}
        command = " ".join(psutil.Process(pid).cmdline())
    settings: dict[str, str] = dict(rows)
    assert [settings[name] for name in ("fsync", "synchronous_commit", "full_page_writes")] == ["on", "on", "on"]
    assert settings["unix_socket_directories"] == ""
    assert encoding == ("UTF8",)
    assert listening == {"127.0.0.1"}
    assert Folder(folder).secret("postgres-owner") not in command


async def test_postgres_denies_a_wrong_password(folder: Path) -> None:
    async with Postgres(folder).running() as postgres:
        wrong = postgres.owner_url.replace(Folder(folder).secret("postgres-owner"), "wrong")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(wrong)


async def test_a_killed_initdb_is_repeated(folder: Path) -> None:
    half = folder / "postgres" / "data.draft" / "base"
    half.mkdir(parents=True)
    (half.parent / "PG_VERSION").write_text("18\n")
    (folder / "postgres").chmod(0o755)
    async with Postgres(folder).running() as postgres:
        store_one(postgres)
    assert not half.exists()


async def test_a_lock_file_with_the_pid_of_another_program_does_not_stop_postgres(
    folder: Path, unrelated_process: psutil.Popen
) -> None:
    lock_file = folder / "postgres" / "data" / "postmaster.pid"
    async with Postgres(folder).running() as postgres:
        store_one(postgres)
        owner = lock_file.stat()
        left = lock_file.read_text().splitlines()
    lock_file.write_text("\n".join([str(unrelated_process.pid), *left[1:], ""]))
    os.chown(lock_file, owner.st_uid, owner.st_gid)
    async with Postgres(folder).running() as postgres:
        assert count_stored(postgres) == 1
    assert unrelated_process.is_running()


@as_root
async def test_postgres_moves_out_of_a_folder_its_user_may_not_enter_and_finds_its_data_again(
    private_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = private_folder / "data"
    async with Postgres(data).running() as postgres:
        store_one(postgres)
    place = Path(read_json(data / "postgres.json")["data"])
    try:
        assert f"PostgreSQL's data is kept in {place}" in capsys.readouterr().out
        assert not place.is_relative_to(private_folder)
        async with Postgres(data).running() as postgres:
            assert count_stored(postgres) == 1
        assert os.stat(private_folder).st_mode & 0o777 == 0o700  # noqa: PTH116 - a test may block
    finally:
        shutil.rmtree(place.parent)
    with pytest.raises(PartFailed, match="is missing"):
        async with Postgres(data).running():
            pass


async def test_without_the_wheel_a_postgres_of_the_system_is_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = binaries.find()
    monkeypatch.setattr(binaries, "PACKAGE", "no_such_package")
    monkeypatch.setattr(binaries, "SYSTEM_FOLDERS", (str(found.folder),))
    monkeypatch.setenv("PATH", "/nonexistent")
    async with Postgres(folder / "system").running() as postgres:
        store_one(postgres)
        assert count_stored(postgres) == 1


def test_data_of_another_version_is_an_error() -> None:
    here = binaries.find().major
    with pytest.raises(PartFailed, match=f"written by PostgreSQL {here + 1}, but only version"):
        binaries.find(here + 1)


def test_a_missing_postgres_is_an_error_that_says_how_to_install_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "PACKAGE", "no_such_package")
    monkeypatch.setattr(binaries, "SYSTEM_FOLDERS", ())
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(PartFailed, match="no PostgreSQL 15 or newer found") as failure:
        binaries.find()
    assert "trenova[dev]" in str(failure.value.hint)


@as_root
async def test_data_whose_owner_has_no_name_here_is_opened_as_that_owner(folder: Path) -> None:
    async with Postgres(folder).running() as postgres:
        store_one(postgres)
    for path in (folder / "postgres" / "data", *(folder / "postgres" / "data").rglob("*")):
        os.chown(path, 54_321, 54_321)
    async with Postgres(folder).running() as postgres:
        assert count_stored(postgres) == 1
        assert psutil.Process(pid_of(folder, "postgres")).uids().real == 54_321
