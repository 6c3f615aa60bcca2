"""The newest checkpoint of each ledger as `<folder>/<tenant>/checkpoint`, and each as `<folder>/<tenant>/<size>`."""

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
# Errors of the folder or its disk, not of one tenant's files.
FOLDER_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.EMFILE})


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderPublisher:
    """Writes to a folder that others serve or copy. A published checkpoint is never replaced by a contradicting one."""

    path: Path
    prefix: str
    store: Store
    published: dict[str, HeadToPublish] = field(default_factory=dict)
    """By tenant, the head that this process has published or found to be in conflict."""
    conflicting: set[str] = field(default_factory=set)
    unwritable: dict[str, str] = field(default_factory=dict)
    """By tenant, why its files cannot be written."""

    async def run_round(self) -> None:
        """Write every newest checkpoint that is new or has more cosignatures. Raises Unavailable.

        A ledger that cannot be written, or contradicts its published checkpoint, does not stop the others.
        """
        try:
            with self.lock() as alone:
                after: str | None = "" if alone else None
                while after is not None:
                    after = await self.publish_page(after)
                if alone:
                    await self.settle_conflicts()
        except OSError as error:
            raise Unavailable(f"the folder {self.path} cannot be written: {error.strerror or error}") from error

    async def publish_page(self, after: str) -> str | None:
        page = await self.store.cosignatures.heads(self.prefix, after=after, limit=PAGE)
        for head in page:
            if self.published.get(head.tenant) != head:
                await self.publish(head)
        PUBLISHING_FAILED.set(len(self.unwritable))
        return page[-1].tenant if len(page) == PAGE else None

    async def publish(self, head: HeadToPublish) -> None:
        signed = await self.store.ledgers.at(head.tenant, head.size)
        if signed is None:
            return  # not signed yet; a worker that starts will sign it
        try:
            note = await self.store.cosignatures.cosigned_note(head.tenant, head.size) or signed.note
            await self.write(head.tenant, note)
        except (VerificationError, LedgerDamaged) as error:
            await self.record_conflict(head, signed.note, error)
        except OSError as error:
            if error.errno in FOLDER_ERRORS:
                raise
            self.record_failure(head.tenant, error.strerror or type(error).__name__)
            return
        else:
            self.conflicting.discard(head.tenant)
            self.unwritable.pop(head.tenant, None)
        self.published[head.tenant] = head

    async def write(self, tenant: str, note: bytes) -> None:
        """Publish a checkpoint. Raises VerificationError, and writes nothing, if it contradicts the published one."""
        head = checkpoint.parse(notes.parse(note).text)
        published = await asyncio.to_thread(files.read_newest, self.path, tenant, head.origin)
        if published is not None:
            await self.check_continues(tenant, published, head)
        await asyncio.to_thread(files.write, self.path, tenant, head.size, note)

    async def check_continues(self, tenant: str, message: bytes, head: Checkpoint) -> None:
        where = f"{directory_name(tenant)}/{files.NEWEST}"
        try:
            published = checkpoint.parse(notes.parse(message).text)
            if published.origin != head.origin:
                raise VerificationError(f"{where} is of {published.origin:.200}: publish into another folder")  # noqa: TRY301 - one way to fail
            if published.size > head.size or (published.size == head.size and published.root != head.root):
                raise VerificationError(f"{where} has another history, of size {published.size}")  # noqa: TRY301 - the same
            if published.size < head.size:
                # The sizes alone do not show whether a ledger was rolled back and has grown differently.
                path = await self.store.ledgers.consistency(tenant, published.size, head.size)
                verify.consistency(
                    size=published.size, root=published.root, new_size=head.size, new_root=head.root, path=path
                )
        except VerificationError as error:
            raise CheckpointConflict(error.message, answer=message) from None

    async def record_conflict(self, head: HeadToPublish, note: bytes, error: VerificationError | LedgerDamaged) -> None:
        """Log that the published checkpoint contradicts the ledger, and store both."""
        self.conflicting.add(head.tenant)
        log.error("published checkpoint contradicted", tenant=head.tenant, size=head.size, reason=error.message)
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

    def record_failure(self, tenant: str, reason: str) -> None:
        """Log once that a tenant's files cannot be written. The next round retries."""
        if self.unwritable.get(tenant) != reason:
            log.error("checkpoint not written", tenant=tenant, folder=str(self.path), reason=reason)
        self.unwritable[tenant] = reason

    async def settle_conflicts(self) -> None:
        """Settle the conflicts of ledgers whose checkpoints are published again."""
        refused, _ = await self.store.checkpoint_conflicts.list_open(self.prefix, [FOLDER], limit=PAGE)
        for each in refused:
            tenant = each.origin.removeprefix(f"{self.prefix}/")
            if tenant in self.published and tenant not in self.conflicting:
                await self.store.checkpoint_conflicts.settle(each.origin, FOLDER)

    @contextmanager
    def lock(self) -> Iterator[bool]:
        """True while this process alone publishes into the folder: until the block ends or the process dies."""
        internal = self.path / INTERNAL
        internal.mkdir(parents=True, exist_ok=True)
        with (internal / LOCK).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                # An earlier release locked this file, which has the name of a possible tenant's directory.
                if (self.path / FORMER_LOCK).is_file():
                    (self.path / FORMER_LOCK).unlink()
                yield True
