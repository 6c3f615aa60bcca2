"""The spool of an API on this machine: batches that were acknowledged and that Temporal does not have yet."""

from collections import Counter
from pathlib import Path

from trenova.cli.key_needs.need import Held, Place
from trenova.inflight import key_id_of
from trenova.ingest.spool import DAMAGED, WAITING
from trenova.ingest.spool_file import DamagedFile, unpack

NAME = "batches in the spool"


def look(folder: Path) -> Place:
    """Beside the API that fills and empties it, which this neither disturbs nor waits for."""
    count: Counter[str] = Counter()
    unread = 0
    try:
        # Before the files are listed: of a folder that is missing nothing would be listed.
        paths = sorted(path for path in folder.iterdir() if path.suffix in {WAITING, DAMAGED})
    except OSError as error:
        return Place(name=NAME, unseen=f"{folder} cannot be looked into: {error.strerror}")
    for path in paths:
        try:
            count[key_id_of(unpack(path.stem, path.read_bytes()).payload)] += 1
        except FileNotFoundError:
            continue  # Temporal has it by now
        except (DamagedFile, OSError):
            unread += 1
    unseen = f"{unread:,} files in {folder} cannot be read" if unread else None
    held = {key_id: Held(count=number) for key_id, number in count.items()}
    return Place(name=NAME, held=held, looked_at=len(paths), unseen=unseen)
