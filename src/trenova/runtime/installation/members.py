"""Which processes use the PostgreSQL of a data folder. Each holds a lock on a file of its own in `run/users`.

The kernel releases the lock when the process dies, however it dies: a file without one is of a process that has ended.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from trenova.runtime.installation.folder import Folder


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A process that uses the database, and where its settings say that the other parts are."""

    command: str
    pid: int
    api_url: str
    temporal_address: str

    def __str__(self) -> str:
        return f"`{self.command}` (pid {self.pid})"


@contextmanager
def door(folder: Folder, *, wait: bool = True) -> Iterator[None]:
    """Held while somebody comes, and while the keeper looks whether all have gone: never both at once.

    Without `wait` BlockingIOError where another process holds it.
    """
    descriptor = os.open(folder.path / "run" / "door", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def register(folder: Folder, member: Member) -> Iterator[None]:
    """Be one of the members. Killed anywhere in here: the lock is gone, and the keeper removes the file."""
    file = folder.users / f"{member.pid}-{secrets.token_hex(4)}.json"
    with door(folder):
        draft = file.with_suffix(".draft")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        # Whoever may enter the folder may look, whatever the umask: the keeper is its owner's where root comes.
        os.fchmod(descriptor, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, msgspec.json.encode(member))
        draft.rename(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
        os.close(descriptor)


def members(folder: Folder) -> list[Member]:
    """Those that live, the API before the workers. Raises OSError where that cannot be seen."""
    found = []
    for file in files(folder, ".json"):
        with suppress(FileNotFoundError):  # one that has just gone
            if is_held(file):
                found.append(msgspec.json.decode(file.read_bytes(), type=Member))
    return sorted(found, key=lambda member: (member.command, member.pid))


def remove_dead(folder: Folder) -> None:
    """Remove the files of members that were killed. The caller holds the door, so that none is just being made."""
    for file in files(folder, ".json", ".draft"):
        with suppress(FileNotFoundError):
            if not is_held(file):
                file.unlink()


def is_held(file: Path) -> bool:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def files(folder: Folder, *suffixes: str) -> list[Path]:
    # Unlike `glob`, this raises where the folder cannot be read: an empty list would say that nobody is there.
    return [file for file in folder.users.iterdir() if file.suffix in suffixes]
