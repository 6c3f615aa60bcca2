"""The parts of `trenova dev`, each on its own: real PostgreSQL, real Temporal, real kills."""

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, RegisterNamespaceRequest

from trenova.dev import binaries, logs, orphans, ports, users
from trenova.dev.environment import own_world
from trenova.dev.folder import FORMAT, Folder, read_json
from trenova.dev.part import Part
from trenova.dev.postgres import Postgres
from trenova.dev.process import Process
from trenova.dev.supervisor import Supervisor
from trenova.dev.temporal import Temporal
from trenova.errors import NotFound, PartFailed

LIMIT_S = 60
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's user may enter, which pytest's own are not when root runs the tests."""
    path = Path(tempfile.mkdtemp(prefix="trenova-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def private_folder(folder: Path) -> Path:
    folder.chmod(0o700)
    return folder


@pytest.fixture
def stranger() -> Iterator[psutil.Popen]:
    """A program that has nothing to do with us, run by the user that runs PostgreSQL."""
    user = users.ensure() if os.geteuid() == 0 else None
    with psutil.Popen(["/bin/sleep", "600"], cwd="/", **users.becoming(user)) as process:
        yield process
        process.kill()


def pid_of(folder: Path, part: str) -> int:
    pid = read_json(Folder(folder).record(part))["pid"]
    assert isinstance(pid, int)
    return pid


async def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def store_one(postgres: Postgres) -> None:
    with psycopg.connect(postgres.owner_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
        connection.execute("INSERT INTO kept VALUES (1)")


def stored(postgres: Postgres) -> int:
    with psycopg.connect(postgres.owner_url) as connection:
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
    assert row is not None
    return int(row[0])


async def test_postgres_keeps_what_was_stored_when_it_is_stopped_and_when_it_is_killed(folder: Path) -> None:
    async with Postgres(folder).running() as postgres:
        store_one(postgres)
    assert not Folder(folder).record("postgres").exists()
    async with Postgres(folder).running() as postgres:
        store_one(postgres)
        os.kill(pid_of(folder, "postgres"), signal.SIGKILL)
    async with Postgres(folder).running() as postgres:
        assert stored(postgres) == 2


async def test_postgres_holds_commits_on_disk_and_listens_on_loopback_only(folder: Path) -> None:
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


async def test_postgres_refuses_a_wrong_password(folder: Path) -> None:
    async with Postgres(folder).running() as postgres:
        wrong = postgres.owner_url.replace(Folder(folder).secret("postgres-owner"), "wrong")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(wrong)


async def test_a_killed_initdb_is_done_again(folder: Path) -> None:
    half = folder / "postgres" / "data.draft" / "base"
    half.mkdir(parents=True)
    (half.parent / "PG_VERSION").write_text("18\n")
    (folder / "postgres").chmod(0o755)
    async with Postgres(folder).running() as postgres:
        store_one(postgres)
    assert not half.exists()


async def test_a_lock_file_with_the_pid_of_another_program_does_not_stop_postgres(
    folder: Path, stranger: psutil.Popen
) -> None:
    lock_file = folder / "postgres" / "data" / "postmaster.pid"
    async with Postgres(folder).running() as postgres:
        store_one(postgres)
        owner = lock_file.stat()
        left = lock_file.read_text().splitlines()
    lock_file.write_text("\n".join([str(stranger.pid), *left[1:], ""]))
    os.chown(lock_file, owner.st_uid, owner.st_gid)
    async with Postgres(folder).running() as postgres:
        assert stored(postgres) == 1
    assert stranger.is_running()


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
            assert stored(postgres) == 1
        assert os.stat(private_folder).st_mode & 0o777 == 0o700  # noqa: PTH116 - a test may block
    finally:
        shutil.rmtree(place.parent)
    with pytest.raises(PartFailed, match="not where it was"):
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
        assert stored(postgres) == 1


def test_data_of_another_version_is_refused() -> None:
    here = binaries.find().major
    with pytest.raises(PartFailed, match=f"written by PostgreSQL {here + 1}, and only version"):
        binaries.find(here + 1)


def test_no_postgres_at_all_is_an_error_that_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "PACKAGE", "no_such_package")
    monkeypatch.setattr(binaries, "SYSTEM_FOLDERS", ())
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(PartFailed, match="no PostgreSQL 15 or newer found") as failure:
        binaries.find()
    assert "trenova[dev]" in str(failure.value.hint)


async def test_temporal_keeps_its_namespaces_when_it_is_stopped_and_when_it_is_killed(folder: Path) -> None:
    async with Temporal(folder).running() as temporal:
        client = await temporal.client()
        asked = RegisterNamespaceRequest(namespace="kept")
        asked.workflow_execution_retention_period.FromSeconds(86_400)
        await client.workflow_service.register_namespace(asked)
    async with Temporal(folder, ui_port=ports.choose()).running() as temporal:
        os.kill(pid_of(folder, "temporal"), signal.SIGKILL)
    async with Temporal(folder).running() as temporal:
        client = await temporal.client()
        found = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace="kept"))
        assert found.namespace_info.name == "kept"


async def test_temporal_writes_to_disk_before_it_answers(folder: Path) -> None:
    async with Temporal(folder).running():
        assert (folder / "temporal" / "temporal.db-wal").exists()


async def test_another_server_on_the_port_does_not_pass_for_ours(folder: Path) -> None:
    async with Temporal(folder / "one").running() as one:
        with pytest.raises(PartFailed, match="temporal ended with exit code 1 while it was starting"):
            async with Temporal(folder / "two", port=one.port).running():
                pass


async def test_servers_of_a_killed_run_are_ended_and_nothing_is_lost(folder: Path) -> None:
    program = textwrap.dedent(
        """
        import asyncio, sys
        from pathlib import Path
        from trenova.dev.postgres import Postgres
        from trenova.dev.temporal import Temporal

        async def main(folder):
            async with Postgres(folder).running(), Temporal(folder).running():
                print("ready", flush=True)
                await asyncio.Event().wait()

        asyncio.run(main(Path(sys.argv[1])))
        """
    )
    run = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(folder), stdout=asyncio.subprocess.PIPE
    )
    assert run.stdout is not None
    assert await run.stdout.readline() == b"ready\n"
    run.kill()
    await run.wait()
    left = [psutil.Process(pid_of(folder, part)) for part in ("postgres", "temporal")]
    assert all(orphans.runs(process) for process in left)
    Folder(folder).record("temporal").unlink()  # as if the kill had come before the record was written
    async with Postgres(folder).running() as postgres, Temporal(folder).running():
        assert not any(orphans.runs(process) for process in left)
        store_one(postgres)
        assert stored(postgres) == 1


async def test_a_process_that_has_the_recorded_pid_by_chance_is_left_alone(
    folder: Path, stranger: psutil.Popen
) -> None:
    record = Folder(folder).record("temporal")
    record.write_text(json.dumps({"pid": stranger.pid, "started": 1e9, "folder": orphans.identity(record)}))
    async with Temporal(folder).running():
        assert stranger.is_running()


async def test_a_copy_of_a_folder_in_use_does_not_end_the_servers_of_the_original(folder: Path) -> None:
    async with Temporal(folder / "original").running():
        shutil.copytree(folder / "original", folder / "copy")
        assert [found.pid for found in orphans.find(Folder(folder / "original").record("temporal"))]
        assert not orphans.find(Folder(folder / "copy").record("temporal"))


@as_root
async def test_data_whose_owner_has_no_name_here_is_opened_as_that_owner(folder: Path) -> None:
    async with Postgres(folder).running() as postgres:
        store_one(postgres)
    for path in (folder / "postgres" / "data", *(folder / "postgres" / "data").rglob("*")):
        os.chown(path, 54_321, 54_321)
    async with Postgres(folder).running() as postgres:
        assert stored(postgres) == 1
        assert psutil.Process(pid_of(folder, "postgres")).uids().real == 54_321


async def test_a_program_that_works_in_postgres_folder_is_left_alone(folder: Path) -> None:
    async with Postgres(folder).running():
        pass
    with psutil.Popen(["/bin/sleep", "600"], cwd=folder / "postgres" / "data") as visitor:
        async with Postgres(folder).running():
            assert visitor.is_running()
        visitor.kill()


async def test_two_runs_cannot_share_one_postgres_or_one_temporal(folder: Path) -> None:
    async with Postgres(folder).running() as postgres, Temporal(folder).running():
        with pytest.raises(PartFailed, match="in use by another"):
            async with Postgres(folder).running():
                pass
        with pytest.raises(PartFailed, match="in use by another"):
            async with Temporal(folder).running():
                pass
        store_one(postgres)


async def test_a_part_that_dies_is_reported_and_started_again(folder: Path) -> None:
    died: list[PartFailed] = []
    back: list[str] = []
    supervisor = Supervisor(died=died.append, back=back.append)
    postgres = Postgres(folder)
    async with postgres.part() as part:
        await supervisor.start(part)
        try:
            first = supervisor.pids["postgres"]
            await postgres.create_database()
            store_one(postgres)
            os.kill(first, signal.SIGKILL)
            await until(lambda: back == ["postgres"])
            assert supervisor.pids["postgres"] != first
            assert stored(postgres) == 1
        finally:
            await supervisor.stop()
    assert died[0].message == "postgres was ended by SIGKILL"
    assert any("ready to accept connections" in line for line in died[0].__notes__)


def shell_part(folder: Path, script: str, *, ready: bool) -> Part:
    home = Folder(folder)

    async def answer(_pid: int) -> bool:
        return ready

    return Part(
        name="worker",
        argv=("/bin/sh", "-c", script),
        env={"PATH": "/usr/bin:/bin"},
        log=home.log("worker"),
        record=home.record("worker"),
        ready=answer,
    )


async def test_a_part_that_cannot_start_is_named_with_the_end_of_its_log(folder: Path) -> None:
    with pytest.raises(PartFailed, match="worker ended with exit code 3 while it was starting") as failure:
        await Process.start(shell_part(folder, "echo no such setting; exit 3", ready=False))
    assert failure.value.__notes__ == ["no such setting"]


async def test_a_program_that_is_missing_is_named(folder: Path) -> None:
    part = shell_part(folder, "", ready=True)
    missing = Part(**{name: getattr(part, name) for name in Part.__slots__} | {"argv": ("/nonexistent/temporal",)})
    with pytest.raises(PartFailed, match="/nonexistent/temporal: No such file") as failure:
        await Process.start(missing)
    assert failure.value.hint


async def test_a_part_that_ignores_the_gentle_signal_is_killed_with_its_children_on_the_second_ctrl_c(
    folder: Path,
) -> None:
    supervisor = Supervisor(died=lambda _: None, back=lambda _: None)
    await supervisor.start(shell_part(folder, "trap '' TERM; sleep 600; sleep 600", ready=True))
    process = psutil.Process(supervisor.pids["worker"])
    await until(lambda: len(process.children()) == 1)
    child = process.children()[0]
    stopping = asyncio.create_task(supervisor.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    supervisor.hurry()
    await stopping
    await until(lambda: not orphans.runs(child))


def test_a_taken_port_is_named_with_its_flag_and_its_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PartFailed, match=rf"port {port} \(--ui-port\) is taken by .* \(pid {os.getpid()}\)"):
            ports.check({"--ui-port": port})


def test_two_flags_with_one_port_are_refused() -> None:
    port = ports.choose()
    with pytest.raises(PartFailed, match=f"--api-port and --ui-port are both {port}"):
        ports.check({"--api-port": port, "--ui-port": port})


def test_a_folder_of_a_newer_release_is_refused_and_left_as_it_is(folder: Path) -> None:
    Folder(folder)
    (folder / "version").write_text(f"{FORMAT + 1}\n")
    with pytest.raises(PartFailed, match="this release knows 1") as failure:
        Folder(folder)
    assert "newer release" in str(failure.value.hint)
    assert (folder / "version").read_text() == f"{FORMAT + 1}\n"


def test_a_folder_is_held_by_one_run_at_a_time(folder: Path) -> None:
    with (
        Folder(folder).locked(),
        pytest.raises(PartFailed, match=rf"in use by another trenova dev \(pid {os.getpid()}\)"),
        Folder(folder).locked(),
    ):
        pass
    with Folder(folder).locked():
        pass


def test_a_data_folder_that_cannot_be_made_is_an_error_with_a_hint(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(PartFailed, match="cannot be used") as failure:
        Folder(folder / "file" / "data")
    assert "--data-dir" in str(failure.value.hint)


def test_secrets_are_kept_for_the_owner_only(folder: Path) -> None:
    home = Folder(folder / "data")
    assert home.secret("one") == home.secret("one") != home.secret("two")
    assert (home.path / "secrets").stat().st_mode & 0o777 == 0o700
    assert (home.path / "secrets" / "one").stat().st_mode & 0o777 == 0o600


def test_variables_that_point_to_other_servers_are_not_passed_on() -> None:
    kept = {"TEMPORAL_ENCRYPTION_KEY": "k", "TRENOVA_TEMPORAL__SECURITY__ENABLE_ENCRYPTION": "true", "PATH": "p"}
    foreign = ["PGHOST", "PGOPTIONS", "TEMPORAL_ADDRESS", "TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_PROFILE"]
    foreign += ["TRENOVA_DATABASE__URL", "TRENOVA_TEMPORAL__TLS__ENABLED", "TRENOVA_TEMPORAL__API_KEY"]
    assert own_world(kept | dict.fromkeys(foreign, "x")) == kept


def test_logs_show_the_last_lines_under_the_name_of_their_part(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(NotFound):
        logs.show(folder, follow=False)
    home = Folder(folder)
    home.log("api").write_text("one\ntwo\nthree\n")
    home.log("worker").write_text("started\n")
    logs.show(folder, follow=False, lines=2)
    assert capsys.readouterr().out == "api      | two\napi      | three\nworker   | started\n"


def test_logs_follow_what_is_appended_in_whole_lines(folder: Path) -> None:
    log = folder / "api.log"
    log.write_text("old\n")
    follower = logs.Follower(log)
    with log.open("a") as file:
        file.write("new\nhalf")
    assert list(follower.new_lines()) == ["new"]
    with log.open("a") as file:
        file.write(" done\n")
    assert list(follower.new_lines()) == ["half done"]
