"""The system user that runs PostgreSQL when root starts us: PostgreSQL refuses to run as root."""

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
# PG… variables and the locale of the caller's shell would change what PostgreSQL does.
NEUTRAL_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """The user that a part runs as. The name is for messages: a user of another container may have none here."""

    name: str
    uid: int
    gid: int


def find_user() -> User | None:
    try:
        account = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        return None
    return User(name=SYSTEM_USER, uid=account.pw_uid, gid=account.pw_gid)


def owner_of(path: Path) -> User:
    status = path.stat()
    return User(name=f"with the id {status.st_uid}", uid=status.st_uid, gid=status.st_gid)


def ensure_user() -> User:
    """The system user, created unless it exists. Only root can create it, and only root needs it."""
    user = find_user()
    if user is not None:
        return user
    with one_at_a_time():
        user = find_user()
        complaint = "" if user is not None else create_user()
    # Look again even after a failure: another program may have created it at the same moment.
    user = user or find_user()
    if user is None:
        raise PartFailed(
            f"PostgreSQL does not run as root, and the system user {SYSTEM_USER} cannot be created: {complaint}",
            hint="start this as an ordinary user, or create that system user yourself",
        )
    return user


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Keep other starts of ours from creating the user at the same time.

    useradd checks the name before it locks the file. Two at once both succeed, and the second gives the user another
    id, so that files of the first start would have no owner. The lock ends with the process.
    """
    with ACCOUNTS.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def create_user() -> str:
    """Create the system user; returns the first line of useradd's errors, or how it ended."""
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if useradd is None:
        return "useradd is missing"
    argv = [useradd, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    argv += ["--shell", "/usr/sbin/nologin", SYSTEM_USER]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
    return (done.stderr.strip().splitlines() or [f"useradd ended with exit code {done.returncode}"])[0]


def run_as(user: User | None) -> dict[str, Any]:
    """Arguments of `subprocess` that start a program as this user, without the groups of this process."""
    return {} if user is None else {"user": user.uid, "group": user.gid, "extra_groups": []}


async def may_enter(user: User, folder: Path) -> bool:
    """Whether the user can enter the folder and all above it. The kernel answers, so access lists count too."""
    return await command_succeeds(user, SHELL, "-c", 'cd -- "$1"', "sh", str(folder))


async def command_succeeds(user: User | None, *argv: str) -> bool:
    """Whether the command can be run as this user and ends with 0."""
    quiet = asyncio.subprocess.DEVNULL
    try:
        child = await asyncio.create_subprocess_exec(
            *argv, stdin=quiet, stdout=quiet, stderr=quiet, cwd="/", env=NEUTRAL_ENVIRONMENT, **run_as(user)
        )
    except OSError:
        return False
    return await child.wait() == 0
