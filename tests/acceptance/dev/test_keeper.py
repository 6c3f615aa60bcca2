"""The keeper, which runs PostgreSQL for `trenova api` and `trenova worker`, and the files of its members."""

import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import psycopg
import pytest

from trenova.dev import embedded, orphans, supervisor, users
from trenova.dev.postgres import Postgres
from trenova.dev.screen import Screen
from trenova.errors import PartFailed
from trenova.runtime.installation import members
from trenova.runtime.installation.folder import Folder, read_json
from trenova.runtime.installation.members import Member

LIMIT_S = 240
MEMBER_PROGRAM = """
import sys
from pathlib import Path
from trenova.dev import embedded
from trenova.runtime.installation.folder import Folder
from trenova.runtime.installation.members import Member
member = Member(command="trenova worker", pid=1, api_url="", temporal_address="")
with embedded.use_postgres(Folder(Path(sys.argv[1])), member):
    print("ready", flush=True)
    sys.stdin.read()
"""


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def home(folder: Path) -> Iterator[Folder]:
    """A data folder; what still runs in it after the test is killed."""
    home = Folder(folder)
    yield home
    for name in ("keeper", "postgres"):
        for process in orphans.find(home.record(name)):
            process.kill()
            process.wait()


def member(command: str = "trenova worker") -> Member:
    return Member(command=command, pid=os.getpid(), api_url="", temporal_address="")


@contextmanager
def member_process(home: Folder) -> Iterator[None]:
    """Run a process that uses the folder's PostgreSQL within the block; it is ready."""
    argv = [sys.executable, "-c", MEMBER_PROGRAM, str(home.path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert any(line == "ready\n" for line in process.stdout)
        yield
        process.communicate("go")


def keeper_of(home: Folder) -> psutil.Process | None:
    return orphans.recorded_process(home.keeper_record)


def accepts_connections(home: Folder) -> bool:
    """Whether PostgreSQL accepts a connection."""
    with psycopg.connect(read_json(home.embedded)["database_url"]) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def test_the_keeper_keeps_postgres_running_while_it_cannot_read_the_members(home: Folder) -> None:
    log = home.log("keeper")
    with member_process(home):
        unreadable = home.users / "1-unreadable.json"
        unreadable.symlink_to(unreadable)
        until(lambda: "Cannot read which processes use PostgreSQL" in log.read_text() or keeper_of(home) is None)
        assert keeper_of(home) is not None, log.read_text()
        assert accepts_connections(home)
        unreadable.unlink()
    until(lambda: keeper_of(home) is None)
    assert log.read_text().count("Cannot read which processes use PostgreSQL") == 1
    assert not orphans.find(home.record("postgres"))


def test_a_keeper_whose_folder_was_removed_ends_and_logs_why(home: Folder) -> None:
    log = home.log("keeper")
    with member_process(home):
        keeper = keeper_of(home)
        assert keeper is not None
        shutil.move(home.path / "run", home.path / "elsewhere")
        until(lambda: not orphans.is_running(keeper))
        assert "has been removed" in log.read_text()
        assert "Traceback" not in log.read_text()


@contextmanager
def umask(bits: int) -> Iterator[None]:
    before = os.umask(bits)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root uses the folders of other users")
def test_the_owner_of_a_folder_sees_that_root_uses_it(home: Folder) -> None:
    owner = users.ensure_user()
    for path in (home.path, *home.path.rglob("*")):
        os.chown(path, owner.uid, owner.gid)
    with umask(0o077), members.register(home, member()):
        # Root has created the lock file here; normally it is the owner's.
        os.chown(home.path / "run" / "door", owner.uid, owner.gid)
        assert members_seen_by(owner, home) == [member()]
    assert members_seen_by(owner, home) == []


def members_seen_by(user: users.User, home: Folder) -> object:
    def send_members(answer: Connection) -> None:
        os.setgroups([])
        os.setgid(user.gid)
        os.setuid(user.uid)
        try:
            answer.send(members.list_members(home))
        except OSError as error:
            answer.send(error)

    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=send_members, args=(there,))
    process.start()
    process.join()
    return here.recv()


def test_a_member_that_was_killed_while_it_registered_leaves_nothing(home: Folder) -> None:
    (home.users / "1-killed.draft").touch()
    (home.users / "2-killed.json").touch()
    with members.register(home, member()):
        members.remove_dead(home)
        assert members.list_members(home) == [member()]
    assert list(home.users.iterdir()) == []


async def test_a_schema_of_a_newer_release_is_an_error_with_the_next_step(home: Folder) -> None:
    async with Postgres(home.path).running() as postgres:
        with psycopg.connect(postgres.owner_url) as connection:
            connection.execute("CREATE TABLE schema_version (version_num text)")
            connection.execute("INSERT INTO schema_version VALUES ('9999')")
    with (
        pytest.raises(PartFailed, match="cannot be started: the database schema is 9999") as failure,
        embedded.use_postgres(home, member()),
    ):
        pass
    assert "install the release" in str(failure.value.hint)
    assert "Traceback" not in home.log("keeper").read_text()


async def test_after_the_keeper_was_killed_the_folder_belongs_to_its_members(home: Folder) -> None:
    orphans.write_record(home.keeper_record, os.getpid())
    home.keeper_record.write_text(home.keeper_record.read_text().replace('"started": ', '"started": 9'))
    assert keeper_of(home) is None
    with (
        members.register(home, member()),
        pytest.raises(PartFailed, match=rf"in use: its PostgreSQL runs for `trenova worker` \(pid {os.getpid()}\)"),
    ):
        await supervisor.wait_until_free(home)
    await supervisor.wait_until_free(home)


async def test_a_worker_left_over_from_trenova_dev_does_not_block_the_folder(home: Folder) -> None:
    with members.register(home, member()):
        await supervisor.wait_until_free(home)


async def test_files_of_a_killed_run_are_removed_before_the_next_run_is_recorded(
    home: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = (home.state, home.embedded, home.keeper_record)
    for file in files:
        file.write_text("{}")
    recorded = []

    def write_record(record: Path, _: int) -> None:
        recorded.append((record.stem, [file.name for file in files if file.exists()]))

    async def nothing(_: supervisor.Run) -> None:
        pass

    monkeypatch.setattr(orphans, "write_record", write_record)
    monkeypatch.setattr(supervisor.Run, "run_until_stopped", nothing)
    await supervisor.serve(supervisor.Options(data_dir=home.path), Screen())
    assert recorded == [("dev", [])]
