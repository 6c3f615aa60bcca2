"""The local spool: batches on this disk while Temporal is unreachable.

One file per batch, `<batch id>.batch`; batch ids are UUIDv7, so names sort by time. Other files: `.new`, a file that is
being written; `.damaged`, one that was set aside; and `.lock`.
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
from trenova.ingest.start import UNREACHABLE, Parcel

log = structlog.get_logger()

WAITING, DRAFT, DAMAGED = ".batch", ".new", ".damaged"
# A file takes whole blocks of the disk: counted by their length, small files would exceed the limit several times.
BLOCK_BYTES = 4096
# Nothing leaves the spool until Temporal is available again, so an earlier retry is pointless.
RETRY_AFTER_S = 5


class Spool:
    """A folder that this process has locked. Once `put` returns, the batch is in it until it is removed."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self.file_bytes: dict[str, int] = {}
        """The disk bytes of each waiting batch."""
        self.used_bytes = 0
        """The disk bytes of all waiting batches, and of those that are being written."""
        self.damaged = 0
        self.filled = asyncio.Event()
        """Set while a batch waits."""

    @classmethod
    @contextmanager
    def open(cls, folder: Path, max_bytes: int) -> Iterator[Self]:
        """The spool of this folder with the batches that an earlier process left. Raises InvalidConfiguration."""
        spool = cls(folder, max_bytes)
        with ExitStack() as resources:
            try:
                make_folder(folder)
                resources.enter_context(lock_folder(folder))
                spool.load()
            except OSError as error:
                raise InvalidConfiguration(
                    [f"api.spool.folder: {folder} cannot be used: {error.strerror}"],
                    hint="name a folder on a local disk that this process may write to, or set it to null",
                ) from error
            yield spool

    def load(self) -> None:
        for path in sorted(self.folder.iterdir()):
            if path.suffix == DRAFT:
                # Its writer died before the rename, and so before any answer: the callers send their entries again.
                path.unlink()
            elif path.suffix == WAITING:
                self.used_bytes += disk_bytes(path.stat().st_size)
                self.add(path.stem, disk_bytes(path.stat().st_size))
            elif path.suffix == DAMAGED:
                self.damaged += 1
        if self.file_bytes or self.damaged:
            log.info("spool opened", folder=str(self.folder), batches=len(self.file_bytes), damaged=self.damaged)

    @property
    def is_full(self) -> bool:
        return self.used_bytes + BLOCK_BYTES > self.max_bytes

    def oldest_first(self) -> list[str]:
        return sorted(self.file_bytes)

    def path(self, batch_id: str) -> Path:
        return self.folder / (batch_id + WAITING)

    async def put(self, parcel: Parcel) -> None:
        """Return once the batch would survive a power cut. Raises Unavailable if it would not."""
        content = pack(parcel)
        room = disk_bytes(len(content))
        if self.used_bytes + room > self.max_bytes:
            raise spool_full_error()
        self.used_bytes += room
        try:
            await asyncio.to_thread(write_durably, self.path(parcel.batch_id), content)
        except OSError as error:
            self.used_bytes -= room
            log.error("spooling failed", folder=str(self.folder), error=error.strerror)  # noqa: TRY400 - says enough
            raise Unavailable(
                f"{UNREACHABLE}, and this server's disk cannot store the entries", retry_after_s=RETRY_AFTER_S
            ) from error
        self.add(parcel.batch_id, room)

    def add(self, batch_id: str, room: int) -> None:
        self.file_bytes[batch_id] = room
        self.filled.set()

    def drop(self, batch_id: str) -> None:
        self.used_bytes -= self.file_bytes.pop(batch_id, 0)
        if not self.file_bytes:
            self.filled.clear()

    async def read(self, batch_id: str) -> Parcel | None:
        """The waiting batch of this id; None if there is none (any more). A damaged file is set aside."""
        if batch_id not in self.file_bytes:
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
        """Rename a damaged file so that it is never read again. It is kept: its entries may exist nowhere else."""
        if batch_id not in self.file_bytes:
            return  # delivered and removed while it was being read
        path = self.path(batch_id)
        # If even the rename fails, the next start finds the file again.
        with suppress(OSError):
            path.rename(path.with_suffix(DAMAGED))
        self.damaged += 1
        self.drop(batch_id)
        log.error("spool file damaged", file=str(path.with_suffix(DAMAGED)), reason=reason)

    async def remove(self, batch_id: str) -> None:
        """Remove a batch that Temporal has persisted.

        Not synced: a file that reappears after a crash is delivered once more under its id, and starts nothing.
        """
        self.drop(batch_id)
        try:
            await asyncio.to_thread(self.path(batch_id).unlink)
        except OSError as error:
            log.error("spool file not removed", file=str(self.path(batch_id)), error=error.strerror)  # noqa: TRY400 - as above


def write_durably(path: Path, content: bytes) -> None:
    """Write the file and its name durably, or raise OSError and leave nothing."""
    draft = path.with_suffix(DRAFT)
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # If we die here, the caller has no answer; the next start removes the draft.
        draft.rename(path)
        # If we die here, the caller has no answer; if the rename reached the disk, the next start delivers the file.
        sync_folder(path.parent)
    except OSError:
        # After a failed fsync the kernel may have dropped the data and report success for the next fsync. So it is
        # never retried: the file does not count, and its entries are not acknowledged.
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
    """Create the missing folders of the path durably, as the files in it are."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for each in missing:
        sync_folder(each.parent)


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Lock the folder until the block ends or this process dies, in whatever way."""
    lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InvalidConfiguration(
                [f"api.spool.folder: {folder} is in use by another API process"],
                hint="give each API process its own folder, or wait until the other one has stopped",
            ) from None
        yield
    finally:
        os.close(lock)


def disk_bytes(size: int) -> int:
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES


def spool_full_error() -> Unavailable:
    return Unavailable(f"{UNREACHABLE}, and the spool is full", retry_after_s=RETRY_AFTER_S)
