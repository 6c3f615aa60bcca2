"""The files of one published ledger: written atomically, with one directory for each tenant."""

import os
from pathlib import Path

from trenova.errors import VerificationError
from trenova.ledger import checkpoint
from trenova.ledger import note as notes
from trenova.publishing.tenant_directories import INTERNAL, directory, former_directory_name

NEWEST = "checkpoint"
BEING_WRITTEN = "new"


def read_newest(root: Path, tenant: str, origin: str) -> bytes | None:
    """The last published checkpoint, None if there is none. Reads at most one byte more than a note can have."""
    move_former_directory(root, tenant, origin)
    return read_start(directory(root, tenant) / NEWEST, notes.MAX_NOTE_BYTES + 1)


def write(root: Path, tenant: str, size: int, note: bytes) -> None:
    """Publish a checkpoint that continues the published one. For one process at a time."""
    folder = directory(root, tenant)
    folder.mkdir(exist_ok=True)
    replace_file(root, folder / str(size), note)
    # Dying here: the file of this size exists, and `checkpoint` still holds an older one. The next round writes both.
    replace_file(root, folder / NEWEST, note)


def replace_file(root: Path, path: Path, content: bytes) -> None:
    """Replace the file atomically and durably. Does nothing if it already has this content."""
    if read_start(path, len(content) + 1) == content:
        return
    temporary = root / INTERNAL / BEING_WRITTEN
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    # Dying here leaves the temporary file, which the next round overwrites.
    temporary.replace(path)
    sync_directory(path.parent)


def read_start(path: Path, limit: int) -> bytes | None:
    """The first bytes of the file; None if it does not exist."""
    try:
        with path.open("rb") as file:
            return file.read(limit)
    except FileNotFoundError:
        return None


def move_former_directory(root: Path, tenant: str, origin: str) -> None:
    """Move the directory in which an earlier release published this ledger to its present name.

    A directory of another ledger stays: on a case-insensitive file system two tenants may have had the same name.
    """
    former, now = root / former_directory_name(tenant), directory(root, tenant)
    if former == now or now.exists():
        return
    message = read_start(former / NEWEST, notes.MAX_NOTE_BYTES + 1)
    if message is None or origin_of(message) != origin:
        return
    former.rename(now)
    sync_directory(root)


def origin_of(message: bytes) -> str | None:
    try:
        return checkpoint.parse(notes.parse(message).text).origin
    except VerificationError:
        return None


def sync_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
