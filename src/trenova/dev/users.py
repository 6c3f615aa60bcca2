"""The system user that runs PostgreSQL when root starts us: the server refuses root, for good reasons."""

import asyncio
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trenova.errors import PartFailed

SYSTEM_USER = "trenova-postgres"
SHELL = "/bin/sh"
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
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    complaint = ["useradd is missing"]
    if useradd is not None:
        argv = [useradd, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
        argv += ["--shell", "/usr/sbin/nologin", SYSTEM_USER]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
        complaint = done.stderr.strip().splitlines() or [f"useradd ended with {done.returncode}"]
    # Asked again even after a failure: another start may have created it at the same moment.
    user = find()
    if user is None:
        raise PartFailed(
            f"PostgreSQL does not run as root, and the system user {SYSTEM_USER} cannot be created: {complaint[0]}",
            hint="start trenova dev as an ordinary user, or create that user yourself",
        )
    return user


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
