"""The newest checkpoint of each log as a file, `<folder>/<tenant>/checkpoint`, kept as `<folder>/<tenant>/<size>`."""

import asyncio
import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from trenova.errors import CheckpointConflict, LedgerDamaged, Unavailable, VerificationError
from trenova.ledger import checkpoint, verify
from trenova.ledger import note as notes
from trenova.ledger.checkpoint import Checkpoint
from trenova.publishing import files
from trenova.publishing.instruments import PUBLISHING_FAILED
from trenova.publishing.tenant_directories import INTERNAL, directory_name
from trenova.store import Store
from trenova.store.checkpoint_conflicts import FOLDER, Conflict
from trenova.store.cosignatures import HeadToPublish

log = structlog.get_logger()

PAGE = 1000
LOCK = "lock"
FORMER_LOCK = ".lock"
# Of the folder or its disk, whatever tenant it was met at.
FOLDER_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.EMFILE})


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderPublisher:
    """A folder that others serve or copy. What it says of a log is never taken back, whatever the database says."""

    path: Path
    prefix: str
    store: Store
    published: dict[str, HeadToPublish] = field(default_factory=dict)
    """By tenant, what this process has seen to be there, or to be refused."""
    refused: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    """By tenant, why its files cannot be written."""

    async def look(self) -> None:
        """Write every newest checkpoint that is not there, or has got more cosignatures. Raises Unavailable.

        A log that cannot be written, or contradicts what is there, does not stop the others.
        """
        try:
            with self.alone() as alone:
                after: str | None = "" if alone else None
                while after is not None:
                    after = await self.publish_page(after)
                if alone:
                    await self.settle()
        except OSError as error:
            raise Unavailable(f"the folder {self.path} cannot be written: {error.strerror or error}") from error

    async def publish_page(self, after: str) -> str | None:
        page = await self.store.cosignatures.heads(self.prefix, after=after, limit=PAGE)
        for head in page:
            if self.published.get(head.tenant) != head:
                await self.publish(head)
        PUBLISHING_FAILED.set(len(self.failed))
        return page[-1].tenant if len(page) == PAGE else None

    async def publish(self, head: HeadToPublish) -> None:
        signed = await self.store.ledgers.at(head.tenant, head.size)
        if signed is None:
            return  # never signed; a worker that starts does it
        try:
            note = await self.store.cosignatures.cosigned(head.tenant, head.size) or signed.note
            await self.write(head.tenant, note)
        except (VerificationError, LedgerDamaged) as error:
            await self.refuse(head, signed.note, error)
        except OSError as error:
            if error.errno in FOLDER_ERRORS:
                raise
            self.fail(head.tenant, error.strerror or type(error).__name__)
            return
        else:
            self.refused.discard(head.tenant)
            self.failed.pop(head.tenant, None)
        self.published[head.tenant] = head

    async def write(self, tenant: str, note: bytes) -> None:
        """Publish a checkpoint. Raises VerificationError, and leaves what is there, unless it continues that."""
        head = checkpoint.parse(notes.parse(note).text)
        there = await asyncio.to_thread(files.read_newest, self.path, tenant, head.origin)
        if there is not None:
            await self.check_continues(tenant, there, head)
        await asyncio.to_thread(files.write, self.path, tenant, head.size, note)

    async def check_continues(self, tenant: str, message: bytes, head: Checkpoint) -> None:
        where = f"{directory_name(tenant)}/{files.NEWEST}"
        try:
            there = checkpoint.parse(notes.parse(message).text)
            if there.origin != head.origin:
                raise VerificationError(f"{where} is of the log {there.origin:.200}: publish into another folder")  # noqa: TRY301 - one way to fail
            if there.size > head.size or (there.size == head.size and there.root != head.root):
                raise VerificationError(f"{where} has another history, of size {there.size}")  # noqa: TRY301 - the same
            if there.size < head.size:
                # Of a log that was set back and has grown differently, the sizes alone say nothing.
                path = await self.store.ledgers.consistency(tenant, there.size, head.size)
                verify.consistency(size=there.size, root=there.root, new_size=head.size, new_root=head.root, path=path)
        except VerificationError as error:
            raise CheckpointConflict(error.message, answer=message) from None

    async def refuse(self, head: HeadToPublish, note: bytes, error: VerificationError | LedgerDamaged) -> None:
        """Say that what is published contradicts the log, and keep both."""
        self.refused.add(head.tenant)
        log.error("publishing refused", tenant=head.tenant, size=head.size, reason=error.message)
        await self.store.checkpoint_conflicts.add(
            Conflict(
                origin=f"{self.prefix}/{head.tenant}",
                place=FOLDER,
                size=head.size,
                note=note,
                reason=error.message,
                answer=error.answer if isinstance(error, CheckpointConflict) else b"",
            )
        )

    def fail(self, tenant: str, reason: str) -> None:
        """Say once that a tenant's files cannot be written. The next look tries again."""
        if self.failed.get(tenant) != reason:
            log.error("checkpoint not written", tenant=tenant, folder=str(self.path), reason=reason)
        self.failed[tenant] = reason

    async def settle(self) -> None:
        """End the refusals of logs whose checkpoints are published again."""
        refused, _ = await self.store.checkpoint_conflicts.list_open(self.prefix, [FOLDER], limit=PAGE)
        for each in refused:
            tenant = each.origin.removeprefix(f"{self.prefix}/")
            if tenant in self.published and tenant not in self.refused:
                await self.store.checkpoint_conflicts.settle(each.origin, FOLDER)

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether no other process publishes into the folder until the block ends, or until this process dies."""
        internal = self.path / INTERNAL
        internal.mkdir(parents=True, exist_ok=True)
        with (internal / LOCK).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                # An earlier release has locked this, in the place of a tenant's directory.
                if (self.path / FORMER_LOCK).is_file():
                    (self.path / FORMER_LOCK).unlink()
                yield True
