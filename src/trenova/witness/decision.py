"""Whether a checkpoint may be cosigned: the checks of "add-checkpoint" in c2sp.org/tlog-witness. No I/O."""

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
# Far above any origin with a size, a root and a few extension lines: the text is stored for each log.
MAX_TEXT_BYTES = 16 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The HTTP answer."""

    status: HTTPStatus
    body: bytes
    media_type: str = PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class LastCosigned:
    """The last cosigned checkpoint of a log; the defaults are those of an unknown log."""

    size: int = 0
    root: bytes = EMPTY_ROOT
    note: bytes = b""


class Misdeed(StrEnum):
    """What a declined checkpoint, signed by its log, is evidence of together with the one cosigned last."""

    FORK = "fork"
    """Proof: two trees of the same size."""
    UNPROVED = "unproved"
    """A hint: the consistency proof is invalid. The log may have forked, or have sent a wrong proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclinedRequest:
    """The answer to a request that does not continue the last cosigned checkpoint, and what it is evidence of."""

    answer: Answer
    misdeed: Misdeed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedRequest:
    """A request with a valid signature of a known log, not yet compared with the last cosigned checkpoint.

    `note` has only the signature lines that were verified.
    """

    note: Note
    head: Checkpoint
    old: int
    path: tuple[bytes, ...]


def verify_request(sent: AddCheckpointRequest, logs: Sequence[VerifierKey]) -> VerifiedRequest | Answer:
    """The verified request, or the error answer for an unknown log or a checkpoint that it has not signed."""
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


def decide(request: VerifiedRequest, remembered: LastCosigned) -> DeclinedRequest | None:
    """Why the request does not continue the last cosigned checkpoint; None if it does.

    Another tree of the cosigned size gets 422, not 409, which asks the log to retry with another size.
    """
    head = request.head
    forked = head.size == remembered.size and head.root != remembered.root
    if request.old != remembered.size:
        body = f"{remembered.size}\n".encode()
        answer = Answer(status=HTTPStatus.CONFLICT, body=body, media_type=SIZE_TYPE)
        return DeclinedRequest(answer=answer, misdeed=Misdeed.FORK if forked else None)
    if forked:
        return unprocessable(f"another tree of size {head.size} was cosigned", Misdeed.FORK)
    try:
        verify.consistency(
            size=request.old, root=remembered.root, new_size=head.size, new_root=head.root, path=request.path
        )
    except VerificationError as error:
        return unprocessable(error.message, Misdeed.UNPROVED)
    return None


def unprocessable(message: str, misdeed: Misdeed) -> DeclinedRequest:
    return DeclinedRequest(answer=error_answer(HTTPStatus.UNPROCESSABLE_ENTITY, message), misdeed=misdeed)


def with_signatures_of(note: Note, keys: Sequence[VerifierKey]) -> Note:
    """The note with only the lines of these keys, each once."""
    known = {(key.name, key.id) for key in keys}
    lines = {line.line: line for line in note.signatures if (line.name, line.key_id) in known}
    return replace(note, signatures=tuple(lines.values()))


def keys_of(origin: str, logs: Sequence[VerifierKey]) -> tuple[VerifierKey, ...]:
    """The keys that may sign for this origin: named after it, or after the part before its last slash.

    The second is for a service with a log for each tenant, whose keys differ only in their names.
    """
    prefix = origin.rpartition("/")[0]
    return tuple(replace(key, name=origin) for key in logs if key.name in {origin, prefix})


def error_answer(status: HTTPStatus, message: str) -> Answer:
    return Answer(status=status, body=f"{message}\n".encode())
