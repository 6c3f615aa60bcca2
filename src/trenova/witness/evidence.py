"""Evidence files of declined checkpoints that their logs have signed, each with the checkpoint cosigned last.

c2sp.org/tlog-witness, "add-checkpoint": "the witness MAY log the request even if the consistency proof doesn't verify
[…] as it might be proof of log misbehavior". A file is never overwritten. Anyone can submit any number of checkpoints,
so the number of files is limited, separately for those that prove a fork and those that only hint at one.
"""

import os
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import msgspec
import structlog

from trenova.witness.decision import DeclinedRequest, LastCosigned, Misdeed, VerifiedRequest
from trenova.witness.state import origin_hash

log = structlog.get_logger()

FOLDER = "refused"
# Files for each kind of misdeed. The first ones are sufficient evidence; a file has at most 40 KiB.
MOST_OF_A_LOG, MOST_OF_ALL = 20, 1000


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a file, in JSON. Both notes are signed by the log, so the reader need not trust the witness."""

    misdeed: Misdeed
    origin: str
    refused_at: datetime
    status: int
    """Of the answer."""
    old_size: int
    proof: list[str]
    """32-byte hashes, standard base64."""
    refused: str
    remembered: str
    """Empty if no checkpoint of the log was ever cosigned."""


def save(
    folder: Path, request: VerifiedRequest, remembered: LastCosigned, declined: DeclinedRequest, now: float
) -> Path | None:
    """The file with the declined checkpoint, written unless it exists; None if there are too many files."""
    assert declined.misdeed is not None
    place = folder / FOLDER
    of_log = f"{declined.misdeed}-{origin_hash(request.head.origin)}-"
    path = place / f"{of_log}{sha256(request.note.text.encode()).hexdigest()}.json"
    if path.exists():
        return path
    place.mkdir(mode=0o700, exist_ok=True)
    names = [name for name in os.listdir(place) if name.startswith(f"{declined.misdeed}-")]  # noqa: PTH208 - names alone
    if len(names) >= MOST_OF_ALL or sum(name.startswith(of_log) for name in names) >= MOST_OF_A_LOG:
        return None
    evidence = Evidence(
        misdeed=declined.misdeed,
        origin=request.head.origin,
        refused_at=datetime.fromtimestamp(now, UTC),
        status=declined.answer.status.value,
        old_size=request.old,
        proof=[b64encode(each).decode() for each in request.path],
        refused=request.note.encode().decode(),
        remembered=remembered.note.decode(),
    )
    create_file(path, msgspec.json.format(msgspec.json.encode(evidence)))
    return path


def create_file(path: Path, content: bytes) -> None:
    """Create a file atomically and durably. A file that exists by then stays unchanged."""
    temporary = path.with_name(f".{os.urandom(8).hex()}.new")
    with temporary.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    # Dying here leaves the temporary file, which nothing reads: the log submits again, and the file is created then.
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
