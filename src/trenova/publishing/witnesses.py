"""The witnesses that are configured, and how one of them is asked."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import pairwise

import httpx

from trenova.config import LedgerSettings
from trenova.errors import CheckpointConflict, InvalidConfiguration, Unavailable, VerificationError, WitnessUnavailable
from trenova.ledger import add_checkpoint, checkpoint, signing, verify
from trenova.ledger import note as notes
from trenova.ledger.add_checkpoint import AddCheckpointRequest
from trenova.ledger.note import COSIGNATURE, Signature, VerifierKey

ANSWER_WITHIN_S = 20
MAX_ANSWER_BYTES = 64 << 10  # far above the lines of a few keys
MAX_CLOCK_DIFFERENCE = timedelta(days=1)  # more is a broken clock, and its cosignature would speak of a wrong time
# As it is sent: what is unpacked could be a thousand times as much before anybody has counted it.
NO_COMPRESSION = {"Accept-Encoding": "identity"}
UNAVAILABLE_STATUSES = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessClient:
    """A cosigner: the address that `/add-checkpoint` goes behind, and the key that its lines are verified with."""

    url: str
    key: VerifierKey

    @property
    def id(self) -> str:
        """Name and key id as one word: the same witness with a new key is another."""
        return f"{self.key.name}+{self.key.id.hex()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeConflict:
    """The witness has last cosigned another size than the submission began with; None when it does not say which.

    The size of the submission itself: it has cosigned another tree of that size. `status` and `answer` are its words.
    """

    size: int | None
    status: int
    answer: bytes


def witnesses_of(ledger: LedgerSettings) -> tuple[WitnessClient, ...]:
    """The configured witnesses. Raises InvalidConfiguration unless each has a key of a witness, and no two the same."""
    found, problems = [], []
    for number, each in enumerate(ledger.witnesses):
        where = f"ledger.witnesses.{number}.key"
        try:
            key = notes.parse_key(each.key)
        except VerificationError as error:
            problems.append(f"{where}: {error.message}")
            continue
        if key.algorithm != COSIGNATURE:
            problems.append(f"{where}: {key.name} is a key of a log (type 1), expected one of a witness (type 4)")
        found.append(WitnessClient(url=each.url.rstrip("/"), key=key))
    named = Counter(witness.key.name for witness in found)
    problems += [f"ledger.witnesses: {name} is there {count} times" for name, count in named.items() if count > 1]
    # tlog-cosignature, "Ed25519 signed message": "the same public key can't be used across multiple cosigners". Whoever
    # asks for the cosignatures of two would be content with one.
    names = sorted({(witness.key.public_key, witness.key.name) for witness in found})
    shared = [(one[1], other[1]) for one, other in pairwise(names) if one[0] == other[0]]
    problems += [f"ledger.witnesses: {one} and {other} have the same key" for one, other in shared]
    if problems:
        raise InvalidConfiguration(problems, hint="copy the verifier key again from where the witness publishes it")
    return tuple(found)


async def request_cosignature(
    http: httpx.AsyncClient, witness: WitnessClient, sent: AddCheckpointRequest
) -> Signature | SizeConflict:
    """The witness's verified cosignature on what was sent, or the size that it begins with instead.

    Raises Unavailable when it is away, VerificationError when it refuses or answers what is no cosignature of its key.
    """
    status, kind, body = await post(http, witness, sent.encode())
    if status in UNAVAILABLE_STATUSES or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise WitnessUnavailable(f"the witness {witness.key.name} is away: it answers {status}")
    text = notes.parse(sent.note).text
    try:
        if status == HTTPStatus.CONFLICT:
            size = add_checkpoint.parse_size(body) if kind == add_checkpoint.SIZE_TYPE else None
            return SizeConflict(size=size, status=status, answer=body)
        if status == HTTPStatus.UNPROCESSABLE_ENTITY and sent.old == checkpoint.parse(text).size:
            # Nothing was to be proved: it has another tree of this very size.
            return SizeConflict(size=sent.old, status=status, answer=body)
        if status != HTTPStatus.OK:
            raise VerificationError(f"it answers {status} {body[:200].decode(errors='replace')!r}")  # noqa: TRY301 - one way to fail
        return verified_cosignature(witness, text, body, datetime.now(UTC))
    except VerificationError as error:
        raise CheckpointConflict(error.message, status=status, answer=body) from None


async def post(http: httpx.AsyncClient, witness: WitnessClient, content: bytes) -> tuple[int, str, bytes]:
    """Status, content type and body of the answer, no more of it than a witness has to say."""
    body = b""
    try:
        async with (
            asyncio.timeout(ANSWER_WITHIN_S),
            http.stream("POST", witness.url + add_checkpoint.PATH, content=content, headers=NO_COMPRESSION) as answer,
        ):
            async for part in answer.aiter_raw():
                body += part
                if len(body) > MAX_ANSWER_BYTES:
                    raise VerificationError(f"it answers more than {MAX_ANSWER_BYTES} bytes")
    except (httpx.HTTPError, TimeoutError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise Unavailable(f"the witness {witness.key.name} is away: {reason}") from error
    return answer.status_code, answer.headers.get("content-type", "").partition(";")[0].strip(), body


def verified_cosignature(witness: WitnessClient, text: str, lines: bytes, now: datetime) -> Signature:
    """The witness's line among those it answered, verified over the checkpoint's text; others are passed over."""
    answered = notes.parse(f"{text}\n".encode() + lines)
    if answered.text != text:
        raise VerificationError("witness: expected signature lines, got more than that")
    verify.signatures(answered, keys=[witness.key], check=signing.check)
    line = next(each for each in answered.signatures if (each.name, each.key_id) == (witness.key.name, witness.key.id))
    # Compared as numbers: a time that a date cannot hold is one more that is wrong.
    if abs(line.timestamp - now.timestamp()) > MAX_CLOCK_DIFFERENCE.total_seconds():
        raise VerificationError(f"witness: expected a time near {now:%Y-%m-%dT%H:%M:%SZ}, got {line.timestamp} s")
    return line
