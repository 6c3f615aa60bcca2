"""Which processes use the PostgreSQL of a data folder. Each holds a lock on its own file in `run/users`.

The kernel releases the lock when the process dies, even if it is killed: an unlocked file belongs to a dead process.
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
    """A process that uses the database, with the addresses of the other parts from its settings."""

    command: str
    pid: int
    api_url: str
    temporal_address: str

    def __str__(self) -> str:
        return f"`{self.command}` (pid {self.pid})"


@contextmanager
def membership_lock(folder: Folder, *, wait: bool = True) -> Iterator[None]:
    """Held while a member registers, and while the keeper checks whether all have gone: never both at once.

    Without `wait`, raises BlockingIOError if another process holds it.
    """
    descriptor = os.open(folder.path / "run" / "door", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def register(folder: Folder, member: Member) -> Iterator[None]:
    """Be a member within the block. Killed anywhere in here: the lock is released, and the keeper removes the file."""
    file = folder.users / f"{member.pid}-{secrets.token_hex(4)}.json"
    with membership_lock(folder):
        draft = file.with_suffix(".draft")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        # Readable by everyone who may enter the folder, whatever the umask: root may join a keeper of another user.
        os.fchmod(descriptor, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, msgspec.json.encode(member))
        draft.rename(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
        os.close(descriptor)


def list_members(folder: Folder) -> list[Member]:
    """The living members, the API before the workers. Raises OSError where their files cannot be read."""
    living = []
    for file in member_files(folder, ".json"):
        with suppress(FileNotFoundError):  # it has just left
            if is_locked(file):
                living.append(msgspec.json.decode(file.read_bytes(), type=Member))
    return sorted(living, key=lambda member: (member.command, member.pid))


def remove_dead(folder: Folder) -> None:
    """Remove the files of killed members. The caller holds the membership lock, so none is being created now."""
    for file in member_files(folder, ".json", ".draft"):
        with suppress(FileNotFoundError):
            if not is_locked(file):
                file.unlink()


def is_locked(file: Path) -> bool:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def member_files(folder: Folder, *suffixes: str) -> list[Path]:
    # Unlike `glob`, this raises where the folder cannot be read: an empty list would mean that there are no members.
    return [file for file in folder.users.iterdir() if file.suffix in suffixes]
