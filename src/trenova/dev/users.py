"""The system user that runs PostgreSQL when root starts us: the server refuses root, for good reasons."""

import asyncio
import fcntl
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trenova.errors import PartFailed

SYSTEM_USER = "trenova-postgres"
SHELL = "/bin/sh"
ACCOUNTS = Path("/etc/passwd")
# Nothing of ours: PG… variables and the locale of whoever started us would change what PostgreSQL does.
NEUTRAL = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Whom a part runs as. The name is for people: a user of another container may have none here."""

    name: str
    uid: int
    gid: int


def find() -> User | None:
    try:
        found = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        return None
    return User(name=SYSTEM_USER, uid=found.pw_uid, gid=found.pw_gid)


def owner_of(path: Path) -> User:
    found = path.stat()
    return User(name=f"with the id {found.st_uid}", uid=found.st_uid, gid=found.st_gid)


def ensure() -> User:
    """The system user, created if it is not there yet. Only root can, and only root needs it."""
    user = find()
    if user is not None:
        return user
    with one_at_a_time():
        user = find()
        complaint = "" if user is not None else create()
    # Asked again even after a failure: a program of somebody else may have created it at the same moment.
    user = user or find()
    if user is None:
        raise PartFailed(
            f"PostgreSQL does not run as root, and the system user {SYSTEM_USER} cannot be created: {complaint}",
            hint="start trenova dev as an ordinary user, or create that user yourself",
        )
    return user


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Keep other starts of ours from creating the user meanwhile.

    useradd looks for the name before it locks the file. Two of them at once both succeed, and the second gives the user
    another id: files of the first start would belong to nobody. The lock ends with the process.
    """
    with ACCOUNTS.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def create() -> str:
    """Create the system user; returns useradd's complaint if that failed."""
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if useradd is None:
        return "useradd is missing"
    argv = [useradd, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    argv += ["--shell", "/usr/sbin/nologin", SYSTEM_USER]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
    return (done.stderr.strip().splitlines() or [f"useradd ended with {done.returncode}"])[0]


def becoming(user: User | None) -> dict[str, Any]:
    """Arguments of `subprocess` that start a program as this user, without any group of ours."""
    return {} if user is None else {"user": user.uid, "group": user.gid, "extra_groups": []}


async def may_enter(user: User, folder: Path) -> bool:
    """Whether the user can pass through the folder and all above it. Asks the kernel, so access lists count too."""
    return await succeeds(user, SHELL, "-c", 'cd -- "$1"', "sh", str(folder))


async def succeeds(user: User | None, *argv: str) -> bool:
    """Whether the command can be run as this user and ends well."""
    quiet = asyncio.subprocess.DEVNULL
    try:
        child = await asyncio.create_subprocess_exec(
            *argv, stdin=quiet, stdout=quiet, stderr=quiet, cwd="/", env=NEUTRAL, **becoming(user)
        )
    except OSError:
        return False
    return await child.wait() == 0
