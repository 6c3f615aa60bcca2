"""Refused checkpoints that their logs have signed, kept as files: each is evidence, with the one that was remembered.

c2sp.org/tlog-witness, "add-checkpoint": "the witness MAY log the request even if the consistency proof doesn't verify
[…] as it might be proof of log misbehavior". A file is written once and never again. Whoever can show a witness
checkpoints can show it any number of them, so the files are few, and those that prove a fork do not compete with those
that only hint at one.
"""

import os
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import msgspec
import structlog

from trenova.witness.decision import Declined, LastCosigned, Misdeed, VerifiedRequest
from trenova.witness.state import origin_hash

log = structlog.get_logger()

FOLDER = "refused"
# Of each misdeed. The first are the evidence that counts; a file has 40 KiB at most.
MOST_OF_A_LOG, MOST_OF_ALL = 20, 1000


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says, in JSON. Both notes are signed by the log: nobody has to believe the witness."""

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
    """Empty for a log that was never cosigned."""


def save(folder: Path, made: VerifiedRequest, remembered: LastCosigned, refused: Declined, now: float) -> Path | None:
    """The file that keeps the refused checkpoint, written unless it is there; None where there is no room for more."""
    assert refused.misdeed is not None
    place = folder / FOLDER
    of_log = f"{refused.misdeed}-{origin_hash(made.head.origin)}-"
    path = place / f"{of_log}{sha256(made.note.text.encode()).hexdigest()}.json"
    if path.exists():
        return path
    place.mkdir(mode=0o700, exist_ok=True)
    names = [name for name in os.listdir(place) if name.startswith(f"{refused.misdeed}-")]  # noqa: PTH208 - names alone
    if len(names) >= MOST_OF_ALL or sum(name.startswith(of_log) for name in names) >= MOST_OF_A_LOG:
        return None
    evidence = Evidence(
        misdeed=refused.misdeed,
        origin=made.head.origin,
        refused_at=datetime.fromtimestamp(now, UTC),
        status=refused.answer.status.value,
        old_size=made.old,
        proof=[b64encode(each).decode() for each in made.path],
        refused=made.note.encode().decode(),
        remembered=remembered.note.decode(),
    )
    create_file(path, msgspec.json.format(msgspec.json.encode(evidence)))
    return path


def create_file(path: Path, content: bytes) -> None:
    """Write a file that is not there, as a whole and for good. One that came meanwhile is left as it is."""
    temporary = path.with_name(f".{os.urandom(8).hex()}.new")
    with temporary.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    # Dying here leaves the temporary file, which nothing reads: the log asks again, and the checkpoint is kept then.
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
