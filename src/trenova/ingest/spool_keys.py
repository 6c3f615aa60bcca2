"""The spool of an API on this machine: batches that were acknowledged and that Temporal does not have yet."""

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
    """What is in the folder."""

    count: Counter[str] = field(default_factory=Counter)
    """Of batches, by key id."""
    first: dict[str, Payload] = field(default_factory=dict)
    """One batch under each key."""
    looked_at: int = 0
    unread: int = 0


async def inspect_spool(folder: Path, client: Client) -> PlaceReport:
    """Beside the API that fills and empties it, which this neither disturbs nor waits for.

    One batch under each key is opened: there may be thousands, and whoever wrote them had one key under each id.
    """
    try:
        files = read_folder(folder)
    except OSError as error:
        return PlaceReport(name=NAME, unseen=f"{folder} cannot be looked into: {error.strerror}")
    reasons = {key_id: await unreadable_reason(client, [payload]) for key_id, payload in files.first.items()}
    return PlaceReport(
        name=NAME,
        held={key_id: KeyUse(count=number) for key_id, number in files.count.items()},
        looked_at=files.looked_at,
        unreadable={key_id: reason for key_id, reason in reasons.items() if reason},
        unseen=f"{files.unread:,} files in {folder} cannot be read" if files.unread else None,
    )


def read_folder(folder: Path) -> SpoolFiles:
    """Raises OSError for a folder that cannot be looked into."""
    found = SpoolFiles()
    for path in sorted(path for path in folder.iterdir() if path.suffix in {WAITING, DAMAGED}):
        found.looked_at += 1
        try:
            payload = unpack(path.stem, path.read_bytes()).payload
        except FileNotFoundError:
            continue  # Temporal has it by now
        except (DamagedFile, OSError):
            found.unread += 1
            continue
        found.count[key_id_of(payload)] += 1
        found.first.setdefault(key_id_of(payload), payload)
    return found
