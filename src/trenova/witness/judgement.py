"""Whether a submission may be cosigned: the checks of c2sp.org/tlog-witness, in their order. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus

from trenova.errors import VerificationError
from trenova.ledger import checkpoint, signing, verify
from trenova.ledger import note as notes
from trenova.ledger.checkpoint import Checkpoint
from trenova.ledger.hashing import EMPTY_ROOT
from trenova.ledger.note import Note, VerifierKey
from trenova.ledger.submission import SIZE_TYPE, Submission

PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back over HTTP."""

    status: HTTPStatus
    body: bytes
    media_type: str = PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """The last checkpoint of a log that was cosigned; as it stands here, that of a log never seen."""

    size: int = 0
    root: bytes = EMPTY_ROOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A submission of a log that is known: signed by it, and not yet compared with what is remembered."""

    note: Note
    head: Checkpoint
    old: int
    path: tuple[bytes, ...]


def claim(sent: Submission, logs: Sequence[VerifierKey]) -> Claim | Answer:
    """The claim, or the refusal of a log that is unknown or a checkpoint that it has not signed."""
    try:
        note = notes.parse(sent.note)
        head = checkpoint.parse(note.text)
    except VerificationError as error:
        return refusal(HTTPStatus.BAD_REQUEST, error.message)
    keys = keys_of(head.origin, logs)
    if not keys:
        return refusal(HTTPStatus.NOT_FOUND, f"the log {head.origin} is not known here")
    try:
        verify.signatures(note, keys=keys, check=signing.check)
    except VerificationError as error:
        return refusal(HTTPStatus.FORBIDDEN, error.message)
    if sent.old > head.size:
        return refusal(HTTPStatus.BAD_REQUEST, f"the old size {sent.old} is above the size {head.size}")
    return Claim(note=note, head=head, old=sent.old, path=sent.path)


def disagreement(made: Claim, remembered: Remembered) -> Answer | None:
    """Why the claim does not continue what is remembered; None when it does."""
    head = made.head
    if made.old != remembered.size or (head.size == remembered.size and head.root != remembered.root):
        body = f"{remembered.size}\n".encode()
        return Answer(status=HTTPStatus.CONFLICT, body=body, media_type=SIZE_TYPE)
    try:
        verify.consistency(size=made.old, root=remembered.root, new_size=head.size, new_root=head.root, path=made.path)
    except VerificationError as error:
        return refusal(HTTPStatus.UNPROCESSABLE_ENTITY, error.message)
    return None


def keys_of(origin: str, logs: Sequence[VerifierKey]) -> tuple[VerifierKey, ...]:
    """The keys that may sign for this origin: of its own name, or of the part before its last slash.

    The second is for a service with a log for each tenant, whose keys differ in their names alone.
    """
    prefix = origin.rpartition("/")[0]
    return tuple(replace(key, name=origin) for key in logs if key.name in {origin, prefix})


def refusal(status: HTTPStatus, message: str) -> Answer:
    return Answer(status=status, body=f"{message}\n".encode())
