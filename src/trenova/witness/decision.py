"""Whether a submission may be cosigned: the checks that "add-checkpoint" of c2sp.org/tlog-witness lists. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from http import HTTPStatus

from trenova.errors import VerificationError
from trenova.ledger import checkpoint, signing, verify
from trenova.ledger import note as notes
from trenova.ledger.add_checkpoint import SIZE_TYPE, AddCheckpointRequest
from trenova.ledger.checkpoint import Checkpoint
from trenova.ledger.hashing import EMPTY_ROOT
from trenova.ledger.note import Note, VerifierKey

PLAIN = "text/plain; charset=utf-8"
# Far above any origin with a size, a root and a few extension lines: it is kept for each log.
MAX_TEXT_BYTES = 16 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back over HTTP."""

    status: HTTPStatus
    body: bytes
    media_type: str = PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class LastCosigned:
    """The last checkpoint of a log that was cosigned; as it stands here, that of a log never seen."""

    size: int = 0
    root: bytes = EMPTY_ROOT
    note: bytes = b""


class Misdeed(StrEnum):
    """What a refused checkpoint that its log has signed is evidence of, together with the one that is remembered."""

    FORK = "fork"
    """Proof: two trees of one size."""
    UNPROVED = "unproved"
    """A hint: the proof does not lead from one to the other. The log may have forked, or have sent a wrong proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """The answer to a claim that does not continue what is remembered, and what the claim is evidence of."""

    answer: Answer
    misdeed: Misdeed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedRequest:
    """A submission of a log that is known: signed by it, and not yet compared with what is remembered.

    `note` has the signature lines that were verified, and no others.
    """

    note: Note
    head: Checkpoint
    old: int
    path: tuple[bytes, ...]


def verify_request(sent: AddCheckpointRequest, logs: Sequence[VerifierKey]) -> VerifiedRequest | Answer:
    """The claim, or the refusal of a log that is unknown or a checkpoint that it has not signed."""
    try:
        note = notes.parse(sent.note)
        head = checkpoint.parse(note.text)
    except VerificationError as error:
        return error_answer(HTTPStatus.BAD_REQUEST, error.message)
    if len(note.text.encode()) > MAX_TEXT_BYTES:
        return error_answer(HTTPStatus.BAD_REQUEST, f"the checkpoint has more than {MAX_TEXT_BYTES} bytes")
    keys = keys_of(head.origin, logs)
    if not keys:
        return error_answer(HTTPStatus.NOT_FOUND, f"the log {head.origin:.200} is not known here")
    try:
        signed = verify.signatures(note, keys=keys, check=signing.check)
    except VerificationError as error:
        return error_answer(HTTPStatus.FORBIDDEN, error.message)
    if sent.old > head.size:
        return error_answer(HTTPStatus.BAD_REQUEST, f"the old size {sent.old} is above the size {head.size}")
    return VerifiedRequest(note=with_signatures_of(note, signed), head=head, old=sent.old, path=sent.path)


def decide(made: VerifiedRequest, remembered: LastCosigned) -> Declined | None:
    """Why the claim does not continue what is remembered; None when it does.

    Another tree of the size that is remembered is told as such: 422, not the 409 of a size that the log can mend.
    """
    head = made.head
    forked = head.size == remembered.size and head.root != remembered.root
    if made.old != remembered.size:
        body = f"{remembered.size}\n".encode()
        answer = Answer(status=HTTPStatus.CONFLICT, body=body, media_type=SIZE_TYPE)
        return Declined(answer=answer, misdeed=Misdeed.FORK if forked else None)
    if forked:
        return unprocessable(f"another tree of size {head.size} was cosigned", Misdeed.FORK)
    try:
        verify.consistency(size=made.old, root=remembered.root, new_size=head.size, new_root=head.root, path=made.path)
    except VerificationError as error:
        return unprocessable(error.message, Misdeed.UNPROVED)
    return None


def unprocessable(message: str, misdeed: Misdeed) -> Declined:
    return Declined(answer=error_answer(HTTPStatus.UNPROCESSABLE_ENTITY, message), misdeed=misdeed)


def with_signatures_of(note: Note, keys: Sequence[VerifierKey]) -> Note:
    """The note with the lines of these keys alone, each once."""
    known = {(key.name, key.id) for key in keys}
    lines = {line.line: line for line in note.signatures if (line.name, line.key_id) in known}
    return replace(note, signatures=tuple(lines.values()))


def keys_of(origin: str, logs: Sequence[VerifierKey]) -> tuple[VerifierKey, ...]:
    """The keys that may sign for this origin: of its own name, or of the part before its last slash.

    The second is for a service with a log for each tenant, whose keys differ in their names alone.
    """
    prefix = origin.rpartition("/")[0]
    return tuple(replace(key, name=origin) for key in logs if key.name in {origin, prefix})


def error_answer(status: HTTPStatus, message: str) -> Answer:
    return Answer(status=status, body=f"{message}\n".encode())
