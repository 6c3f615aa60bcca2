"""The newest checkpoint of each log as a file, `<folder>/<tenant>/checkpoint`, kept as `<folder>/<tenant>/<size>`."""

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from trenova.errors import Unavailable, VerificationError
from trenova.ledger import checkpoint
from trenova.ledger import note as notes
from trenova.store import Store
from trenova.store.cosignatures import HeadToPublish

log = structlog.get_logger()

PAGE = 1000
NEWEST = "checkpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishFolder:
    """A folder that others serve or copy. What it says of a log is never taken back, whatever the database says."""

    path: Path
    prefix: str
    store: Store
    published: dict[str, HeadToPublish] = field(default_factory=dict)
    """By tenant, what this process has seen to be there."""

    async def look(self) -> None:
        """Write every newest checkpoint that is not there, or has got more cosignatures. Raises Unavailable."""
        try:
            with self.alone() as alone:
                after: str | None = "" if alone else None
                while after is not None:
                    after = await self.publish_page(after)
        except OSError as error:
            raise Unavailable(f"the folder {self.path} cannot be written: {error.strerror or error}") from error

    async def publish_page(self, after: str) -> str | None:
        page = await self.store.cosignatures.heads(self.prefix, after=after, limit=PAGE)
        for head in page:
            if self.published.get(head.tenant) != head:
                await self.publish(head)
        return page[-1].tenant if len(page) == PAGE else None

    async def publish(self, head: HeadToPublish) -> None:
        note = await self.store.cosignatures.cosigned(head.tenant, head.size)
        if note is None:
            return  # never signed; a worker that starts does it
        try:
            await asyncio.to_thread(write, self.path / place(head.tenant), note)
        except VerificationError as error:
            log.error("publishing refused", tenant=head.tenant, size=head.size, reason=error.message)  # noqa: TRY400 - the reason says all
        self.published[head.tenant] = head

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether no other process publishes into the folder until the block ends, or until this process dies."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True


def place(tenant: str) -> str:
    """The tenant's directory: `.` and `..` are names of tenants, too, and lead elsewhere."""
    return tenant.replace(".", "%2E") if tenant in {".", ".."} else tenant


def write(folder: Path, note: bytes) -> None:
    """Publish a checkpoint. Raises VerificationError, and leaves what is there, when the two cannot both be true."""
    head = checkpoint.parse(notes.parse(note).text)
    check_continues(folder / NEWEST, head)
    folder.mkdir(exist_ok=True)
    put(folder / str(head.size), note)
    # Dying here: this size is kept, and `checkpoint` still holds an older one. The next look writes both again.
    put(folder / NEWEST, note)


def check_continues(newest: Path, head: checkpoint.Checkpoint) -> None:
    try:
        there = checkpoint.parse(notes.parse(newest.read_bytes()).text)
    except FileNotFoundError:
        return
    if there.origin != head.origin:
        raise VerificationError(f"{newest} is of the log {there.origin}: publish into another folder")
    if there.size > head.size or (there.size == head.size and there.root != head.root):
        raise VerificationError(f"{newest} has another history, of size {there.size}")


def put(path: Path, content: bytes) -> None:
    """Replace the file as a whole and for good, or not at all. Left alone if it holds just that."""
    if path.exists() and path.read_bytes() == content:
        return
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    # Dying here leaves the temporary file, which the next look writes over: nobody reads names with a dot in front.
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
