"""This machine: free space where Trenova writes, and batches left in the spool."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

from trenova.config import MIB
from trenova.doctor.checkup import Check
from trenova.doctor.context import CheckContext
from trenova.doctor.finding import Kind, Verdict, failure, ok, warning
from trenova.ingest.spool import DAMAGED, WAITING
from trenova.runtime.phrases import many, span

FULL_BYTES, LITTLE_BYTES = 256 * MIB, 2048 * MIB


async def check_disks(context: CheckContext) -> Verdict:
    """Free space where API, worker and `trenova dev` write, but not on the machines of the database and of Temporal."""
    settings = context.settings
    folders = {
        "the data folder": context.options.data_dir,
        "api.spool.folder": settings.api.spool.folder,
        "ledger.publishFolder": settings.ledger.publish_folder,
    }
    room = {f"{name} ({folder})": free_bytes(folder) for name, folder in folders.items() if folder and folder.exists()}
    if not room:
        return ok("only logs are written to this machine")
    what, least = min(room.items(), key=lambda item: item[1])
    amount = f"{least / MIB:,.0f} MiB are free for {what}"
    if least < FULL_BYTES:
        return failure(
            f"disk full: {amount}", "free some space, or move that folder to a larger disk, before writes fail"
        )
    if least < LITTLE_BYTES:
        return warning(f"disk nearly full: {amount}", "free some space, or move that folder to a larger disk")
    return ok(amount)


def free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


async def check_spool(context: CheckContext) -> Verdict:
    folder = context.settings.api.spool.folder
    if folder is None:
        return ok("is off")
    if not folder.exists():
        return ok(f"{folder} does not exist yet; the API creates it")
    files = list(folder.iterdir())
    if damaged := [file for file in files if file.suffix == DAMAGED]:
        return failure(
            f"{many(len(damaged), 'damaged file', 'damaged files')} in {folder}: acknowledged batches cannot be read",
            "have the clients send their entries of that time again (safe, as ids are stored once), move the files "
            "away, and check the disk: docs/outages.md",
        )
    waiting = [file.stat().st_mtime for file in files if file.suffix == WAITING]
    if waiting:
        since = datetime.now(UTC) - datetime.fromtimestamp(min(waiting), UTC)
        return warning(
            f"{many(len(waiting), 'batch waits', 'batches wait')} for Temporal in {folder}, the first {span(since)}",
            "fix the connection to Temporal; a running API then delivers them by itself",
        )
    return ok(f"{folder} is empty")


CHECKS = (
    Check("disk", Kind.MACHINE, check_disks),
    Check("spool", Kind.MACHINE, check_spool),
)
