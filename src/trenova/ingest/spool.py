"""The local spool: batches that Temporal could not take, safe on this disk until it can.

One file a batch, `<batch id>.batch`; batch ids are UUIDv7, so names sort by time. Beside them there may be `.new`, a
file that is being written; `.damaged`, one that was set aside; and `.lock`.
"""

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

import structlog

from trenova.errors import InvalidConfiguration, Unavailable
from trenova.ingest.spool_file import DamagedFile, pack, unpack
from trenova.ingest.start import Parcel

log = structlog.get_logger()

WAITING, DRAFT, DAMAGED = ".batch", ".new", ".damaged"
# A file takes whole blocks: without this, small ones would take several times what the limit says.
BLOCK_BYTES = 4096
# Until Temporal is back nothing leaves; a client that comes earlier only hears the same.
RETRY_AFTER_S = 5


class Spool:
    """A folder that this process holds alone. Whatever `put` has returned for is in it until it is removed."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self.room: dict[str, int] = {}
        """Of each batch that waits, the bytes that its file takes."""
        self.used_bytes = 0
        """Of all of them, and of those that are being written."""
        self.damaged = 0
        self.filled = asyncio.Event()
        """Something waits."""

    @classmethod
    @contextmanager
    def open(cls, folder: Path, max_bytes: int) -> Iterator[Self]:
        """The spool of this folder with all that an earlier process left. Raises InvalidConfiguration."""
        spool = cls(folder, max_bytes)
        with ExitStack() as held:
            try:
                make_folder(folder)
                held.enter_context(lock_folder(folder))
                spool.find()
            except OSError as error:
                raise InvalidConfiguration(
                    [f"api.spool.folder: {folder} cannot be used: {error.strerror}"],
                    hint="name a folder on a local disk that this process may write to, or set it to null",
                ) from error
            yield spool

    def find(self) -> None:
        for path in sorted(self.folder.iterdir()):
            if path.suffix == DRAFT:
                # Its writer died before the rename, so before any answer: the callers send their entries again.
                path.unlink()
            elif path.suffix == WAITING:
                self.used_bytes += disk_bytes(path.stat().st_size)
                self.keep(path.stem, disk_bytes(path.stat().st_size))
            elif path.suffix == DAMAGED:
                self.damaged += 1
        if self.room or self.damaged:
            log.info("spool found", folder=str(self.folder), batches=len(self.room), damaged=self.damaged)

    @property
    def is_full(self) -> bool:
        return self.used_bytes + BLOCK_BYTES > self.max_bytes

    def oldest_first(self) -> list[str]:
        return sorted(self.room)

    def path(self, batch_id: str) -> Path:
        return self.folder / (batch_id + WAITING)

    async def put(self, parcel: Parcel) -> None:
        """Return once the batch would survive a power cut. Raises Unavailable where it would not."""
        content = pack(parcel)
        room = disk_bytes(len(content))
        if self.used_bytes + room > self.max_bytes:
            raise spool_full_error()
        self.used_bytes += room
        try:
            await asyncio.to_thread(write_durably, self.path(parcel.batch_id), content)
        except OSError as error:
            self.used_bytes -= room
            log.error("spooling failed", folder=str(self.folder), error=error.strerror)  # noqa: TRY400 - that says all
            raise Unavailable(
                "Temporal is away, and this server's disk does not take the entries", retry_after_s=RETRY_AFTER_S
            ) from error
        self.keep(parcel.batch_id, room)

    def keep(self, batch_id: str, room: int) -> None:
        self.room[batch_id] = room
        self.filled.set()

    def forget(self, batch_id: str) -> None:
        self.used_bytes -= self.room.pop(batch_id, 0)
        if not self.room:
            self.filled.clear()

    async def read(self, batch_id: str) -> Parcel | None:
        """A batch that waits; None when there is no such batch, or no longer. A damaged file is set aside."""
        if batch_id not in self.room:
            return None
        path = self.path(batch_id)
        try:
            return unpack(batch_id, await asyncio.to_thread(path.read_bytes))
        except DamagedFile as error:
            self.set_aside(batch_id, str(error))
        except OSError as error:
            self.set_aside(batch_id, error.strerror or str(error))
        return None

    def set_aside(self, batch_id: str, reason: str) -> None:
        """Out of the way of the others and of every later start, and kept: it may be all that is left of entries."""
        if batch_id not in self.room:
            return  # delivered and removed while it was being read
        path = self.path(batch_id)
        # On a disk that does not even rename, the file is found again by the next start.
        with suppress(OSError):
            path.rename(path.with_suffix(DAMAGED))
        self.damaged += 1
        self.forget(batch_id)
        log.error("spool file damaged", file=str(path.with_suffix(DAMAGED)), reason=reason)

    async def remove(self, batch_id: str) -> None:
        """Take away a batch that Temporal has persisted.

        Not synced: a file that comes back with the next start is delivered once more under its id, and starts nothing.
        """
        self.forget(batch_id)
        try:
            await asyncio.to_thread(self.path(batch_id).unlink)
        except OSError as error:
            log.error("spool file stays", file=str(self.path(batch_id)), error=error.strerror)  # noqa: TRY400 - as above


def write_durably(path: Path, content: bytes) -> None:
    """Put the file and its name on the disk for good, or raise OSError and leave nothing."""
    draft = path.with_suffix(DRAFT)
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # Dying here: nobody has an answer; the next start removes the draft.
        draft.rename(path)
        # Dying here: nobody has an answer; if the name has reached the disk, the next start delivers it all the same.
        sync_folder(path.parent)
    except OSError:
        # After an fsync that failed, the kernel may have dropped what it could not write and call the next fsync good.
        # So none is ever tried again: nothing of this file counts, and the entries are not acknowledged.
        for leftover in (draft, path):
            with suppress(OSError):
                leftover.unlink()
        raise


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make what is missing of the path, so that it survives a power cut as the files in it do."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for each in missing:
        sync_folder(each.parent)


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold the folder until the block ends, or until this process dies, however it does."""
    lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InvalidConfiguration(
                [f"api.spool.folder: {folder} is in use by another API process"],
                hint="give each API process a folder of its own, or wait until the other one has ended",
            ) from None
        yield
    finally:
        os.close(lock)


def disk_bytes(size: int) -> int:
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES


def spool_full_error() -> Unavailable:
    return Unavailable("Temporal is away, and the spool is full", retry_after_s=RETRY_AFTER_S)
