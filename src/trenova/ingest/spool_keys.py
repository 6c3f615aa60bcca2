"""Which encryption keys the batches in an API's spool need: they are acknowledged but not yet in Temporal."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from temporalio.api.common.v1 import Payload
from temporalio.client import Client

from trenova.codec.key_usage.open_workflows import key_id_of, unreadable_reason
from trenova.codec.key_usage.report import KeyUse, PlaceReport
from trenova.ingest.spool import DAMAGED, WAITING
from trenova.ingest.spool_file import DamagedFile, unpack

NAME = "batches in the spool"


@dataclass(slots=True)
class SpoolFiles:
    """The contents of the folder."""

    count: Counter[str] = field(default_factory=Counter)
    """Batches by key id."""
    first: dict[str, Payload] = field(default_factory=dict)
    """One batch for each key."""
    looked_at: int = 0
    unread: int = 0


async def inspect_spool(folder: Path, client: Client) -> PlaceReport:
    """Inspect the spool while its API runs, without disturbing it or waiting for it.

    Only one batch per key is opened: there may be thousands, and their writer had one key under each id.
    """
    try:
        files = read_folder(folder)
    except OSError as error:
        return PlaceReport(name=NAME, unseen=f"{folder} cannot be read: {error.strerror}")
    reasons = {key_id: await unreadable_reason(client, [payload]) for key_id, payload in files.first.items()}
    return PlaceReport(
        name=NAME,
        uses={key_id: KeyUse(count=number) for key_id, number in files.count.items()},
        looked_at=files.looked_at,
        unreadable={key_id: reason for key_id, reason in reasons.items() if reason},
        unseen=f"{files.unread:,} files in {folder} cannot be read" if files.unread else None,
    )


def read_folder(folder: Path) -> SpoolFiles:
    """Count the batches of the folder. Raises OSError if it cannot be read."""
    files = SpoolFiles()
    for path in sorted(path for path in folder.iterdir() if path.suffix in {WAITING, DAMAGED}):
        files.looked_at += 1
        try:
            payload = unpack(path.stem, path.read_bytes()).payload
        except FileNotFoundError:
            continue  # delivered in the meantime
        except (DamagedFile, OSError):
            files.unread += 1
            continue
        files.count[key_id_of(payload)] += 1
        files.first.setdefault(key_id_of(payload), payload)
    return files
