"""This machine: room on the disks that are written to, and batches left in the spool."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

from trenova.config import MIB
from trenova.doctor.checkup import Check
from trenova.doctor.context import CheckContext
from trenova.doctor.finding import Kind, Verdict, failed, ok, warning
from trenova.doctor.phrases import many, span
from trenova.ingest.spool import DAMAGED, WAITING

FULL_BYTES, LITTLE_BYTES = 256 * MIB, 2048 * MIB


async def check_disks(context: CheckContext) -> Verdict:
    """Room where API, worker and `trenova dev` write. The database's and Temporal's own machines are not seen."""
    settings = context.settings
    folders = {
        "the data folder": context.options.data_dir,
        "api.spool.folder": settings.api.spool.folder,
        "ledger.publishFolder": settings.ledger.publish_folder,
    }
    room = {f"{word} ({folder})": free_bytes(folder) for word, folder in folders.items() if folder and folder.exists()}
    if not room:
        return ok("nothing is written to this machine but logs")
    what, least = min(room.items(), key=lambda item: item[1])
    said = f"{least / MIB:,.0f} MiB are free for {what}"
    if least < FULL_BYTES:
        return failed(f"disk full: {said}", "make room, or move it to a larger disk, before something stops")
    if least < LITTLE_BYTES:
        return warning(f"disk nearly full: {said}", "make room, or move it to a larger disk")
    return ok(said)


def free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


async def check_spool(context: CheckContext) -> Verdict:
    folder = context.settings.api.spool.folder
    if folder is None:
        return ok("off")
    if not folder.exists():
        return ok(f"{folder} is not there yet; the API makes it")
    files = list(folder.iterdir())
    if damaged := [file for file in files if file.suffix == DAMAGED]:
        return failed(
            f"{many(len(damaged), 'damaged file', 'damaged files')} in {folder}: acknowledged batches, unreadable",
            "have the clients send again what they sent then, which their ids make safe; then move the files away, and "
            "look at the disk: docs/outages.md",
        )
    waiting = [file.stat().st_mtime for file in files if file.suffix == WAITING]
    if waiting:
        since = datetime.now(UTC) - datetime.fromtimestamp(min(waiting), UTC)
        return warning(
            f"{many(len(waiting), 'batch waits', 'batches wait')} for Temporal in {folder}, the first {span(since)}",
            "mend the way to Temporal; a running API then delivers them by itself",
        )
    return ok(f"{folder} is empty")


CHECKS = (
    Check("disk", Kind.MACHINE, check_disks),
    Check("spool", Kind.MACHINE, check_spool),
)
