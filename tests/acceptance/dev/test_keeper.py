"""The process that runs PostgreSQL for `trenova api` and `trenova worker`, and those that use it, as files."""

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
USER = """
import sys
from pathlib import Path
from trenova.dev import embedded
from trenova.runtime.installation.folder import Folder
from trenova.runtime.installation.members import Member
member = Member(command="trenova worker", pid=1, api_url="", temporal_address="")
with embedded.use_postgres(Folder(Path(sys.argv[1])), member):
    print("joined", flush=True)
    sys.stdin.read()
"""


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def home(folder: Path) -> Iterator[Folder]:
    """A data folder, in which nothing runs any more when the test ends."""
    made = Folder(folder)
    yield made
    for name in ("keeper", "postgres"):
        for process in orphans.find(made.record(name)):
            process.kill()
            process.wait()


def member(command: str = "trenova worker") -> Member:
    return Member(command=command, pid=os.getpid(), api_url="", temporal_address="")


@contextmanager
def used(home: Folder) -> Iterator[None]:
    """With a process that uses the folder's PostgreSQL, which is ready."""
    argv = [sys.executable, "-c", USER, str(home.path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert any(line == "joined\n" for line in process.stdout)
        yield
        process.communicate("go")


def keeper_of(home: Folder) -> psutil.Process | None:
    return orphans.recorded_process(home.keeper_record)


def let_in(home: Folder) -> bool:
    """Whether PostgreSQL takes a connection."""
    with psycopg.connect(read_json(home.embedded)["database_url"]) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def test_a_look_that_fails_takes_the_database_from_nobody(home: Folder) -> None:
    log = home.log("keeper")
    with used(home):
        unreadable = home.users / "1-unreadable.json"
        unreadable.symlink_to(unreadable)
        until(lambda: "Cannot read which processes use PostgreSQL" in log.read_text() or keeper_of(home) is None)
        assert keeper_of(home) is not None, log.read_text()
        assert let_in(home)
        unreadable.unlink()
    until(lambda: keeper_of(home) is None)
    assert log.read_text().count("Cannot read which processes use PostgreSQL") == 1
    assert not orphans.find(home.record("postgres"))


def test_a_keeper_whose_folder_was_removed_ends_and_says_so(home: Folder) -> None:
    log = home.log("keeper")
    with used(home):
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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root uses the folders of others")
def test_the_owner_of_a_folder_sees_that_root_uses_it(home: Folder) -> None:
    owner = users.ensure_user()
    for path in (home.path, *home.path.rglob("*")):
        os.chown(path, owner.uid, owner.gid)
    with umask(0o077), members.register(home, member()):
        # Root's own door: the owner was there before.
        os.chown(home.path / "run" / "door", owner.uid, owner.gid)
        assert members_seen_by(owner, home) == [member()]
    assert members_seen_by(owner, home) == []


def members_seen_by(user: users.User, home: Folder) -> object:
    def look(answer: Connection) -> None:
        os.setgroups([])
        os.setgid(user.gid)
        os.setuid(user.uid)
        try:
            answer.send(members.list_members(home))
        except OSError as error:
            answer.send(error)

    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=look, args=(there,))
    process.start()
    process.join()
    return here.recv()


def test_a_member_that_was_killed_while_it_came_leaves_nothing(home: Folder) -> None:
    (home.users / "1-killed.draft").touch()
    (home.users / "2-killed.json").touch()
    with members.register(home, member()):
        members.remove_dead(home)
        assert members.list_members(home) == [member()]
    assert list(home.users.iterdir()) == []


async def test_a_schema_of_a_newer_release_is_told_with_the_next_step(home: Folder) -> None:
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


async def test_a_killed_keeper_leaves_the_folder_to_those_that_use_it(home: Folder) -> None:
    orphans.write_record(home.keeper_record, os.getpid())
    home.keeper_record.write_text(home.keeper_record.read_text().replace('"started": ', '"started": 9'))
    assert keeper_of(home) is None
    with (
        members.register(home, member()),
        pytest.raises(PartFailed, match=rf"in use: its PostgreSQL runs for `trenova worker` \(pid {os.getpid()}\)"),
    ):
        await supervisor.wait_until_unused(home)
    await supervisor.wait_until_unused(home)


async def test_a_worker_that_is_left_of_a_trenova_dev_is_in_nobodys_way(home: Folder) -> None:
    with members.register(home, member()):
        await supervisor.wait_until_unused(home)


async def test_what_a_killed_run_has_said_is_gone_when_the_next_is_seen(
    home: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = (home.state, home.embedded, home.keeper_record)
    for file in said:
        file.write_text("{}")
    seen = []

    def remember(record: Path, _: int) -> None:
        seen.append((record.stem, [file.name for file in said if file.exists()]))

    async def nothing(_: supervisor.Run) -> None:
        pass

    monkeypatch.setattr(orphans, "remember", remember)
    monkeypatch.setattr(supervisor.Run, "run_until_stopped", nothing)
    await supervisor.serve(supervisor.Options(data_dir=home.path), Screen())
    assert seen == [("dev", [])]
