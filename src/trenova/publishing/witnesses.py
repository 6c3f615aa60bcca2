"""The configured witnesses, and requests to one of them."""

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
MAX_CLOCK_DIFFERENCE = timedelta(days=1)  # with more, its clock is wrong, and its cosignature would state a wrong time
# Not compressed: the decompressed answer could be a thousand times as large before the limit applies.
NO_COMPRESSION = {"Accept-Encoding": "identity"}
UNAVAILABLE_STATUSES = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessClient:
    """A configured witness: the base address of `/add-checkpoint`, and the key that verifies its lines."""

    url: str
    key: VerifierKey

    @property
    def id(self) -> str:
        """Name and key id as one word: with a new key it counts as another witness."""
        return f"{self.key.name}+{self.key.id.hex()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeConflict:
    """The witness last cosigned `size`, not the old size of the request; None if it does not say which.

    If `size` is that of the submitted checkpoint, it has cosigned another tree of that size. `status` and `answer` are
    the HTTP answer.
    """

    size: int | None
    status: int
    answer: bytes


def witnesses_of(ledger: LedgerSettings) -> tuple[WitnessClient, ...]:
    """The configured witnesses. Raises InvalidConfiguration unless each has its own witness key."""
    witnesses, problems = [], []
    for number, each in enumerate(ledger.witnesses):
        where = f"ledger.witnesses.{number}.key"
        try:
            key = notes.parse_key(each.key)
        except VerificationError as error:
            problems.append(f"{where}: {error.message}")
            continue
        if key.algorithm != COSIGNATURE:
            problems.append(f"{where}: {key.name} is a key of a ledger (type 1), expected one of a witness (type 4)")
        witnesses.append(WitnessClient(url=each.url.rstrip("/"), key=key))
    counts = Counter(witness.key.name for witness in witnesses)
    problems += [f"ledger.witnesses: {name} occurs {count} times" for name, count in counts.items() if count > 1]
    # tlog-cosignature, "Ed25519 signed message": "the same public key can't be used across multiple cosigners".
    # Otherwise one witness could satisfy a verifier that requires two.
    names = sorted({(witness.key.public_key, witness.key.name) for witness in witnesses})
    shared = [(one[1], other[1]) for one, other in pairwise(names) if one[0] == other[0]]
    problems += [f"ledger.witnesses: {one} and {other} have the same key" for one, other in shared]
    if problems:
        raise InvalidConfiguration(problems, hint="copy the verifier key again from where the witness publishes it")
    return tuple(witnesses)


async def request_cosignature(
    http: httpx.AsyncClient, witness: WitnessClient, sent: AddCheckpointRequest
) -> Signature | SizeConflict:
    """The witness's verified cosignature of the submitted checkpoint, or the size that it cosigned last.

    Raises Unavailable if it is unreachable, VerificationError if it declines or does not answer with its cosignature.
    """
    status, kind, body = await post(http, witness, sent.encode())
    if status in UNAVAILABLE_STATUSES or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise WitnessUnavailable(f"the witness {witness.key.name} is unavailable: it answers {status}")
    text = notes.parse(sent.note).text
    try:
        if status == HTTPStatus.CONFLICT:
            size = add_checkpoint.parse_size(body) if kind == add_checkpoint.SIZE_TYPE else None
            return SizeConflict(size=size, status=status, answer=body)
        if status == HTTPStatus.UNPROCESSABLE_ENTITY and sent.old == checkpoint.parse(text).size:
            # There was nothing to prove: it has cosigned another tree of this size.
            return SizeConflict(size=sent.old, status=status, answer=body)
        if status != HTTPStatus.OK:
            raise VerificationError(f"it answers {status} {body[:200].decode(errors='replace')!r}")  # noqa: TRY301 - one way to fail
        return verified_cosignature(witness, text, body, datetime.now(UTC))
    except VerificationError as error:
        raise CheckpointConflict(error.message, status=status, answer=body) from None


async def post(http: httpx.AsyncClient, witness: WitnessClient, content: bytes) -> tuple[int, str, bytes]:
    """Status, content type and body of the answer. Raises VerificationError for a body over the limit."""
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
        raise Unavailable(f"the witness {witness.key.name} is unreachable: {reason}") from error
    return answer.status_code, answer.headers.get("content-type", "").partition(";")[0].strip(), body


def verified_cosignature(witness: WitnessClient, text: str, lines: bytes, now: datetime) -> Signature:
    """The witness's own line in its answer, verified over the checkpoint's text; other lines are ignored."""
    answered = notes.parse(f"{text}\n".encode() + lines)
    if answered.text != text:
        raise VerificationError("witness: expected only signature lines, got other text, too")
    verify.signatures(answered, keys=[witness.key], check=signing.check)
    line = next(each for each in answered.signatures if (each.name, each.key_id) == (witness.key.name, witness.key.id))
    # Compared as numbers: the time may be too large for a datetime.
    if abs(line.timestamp - now.timestamp()) > MAX_CLOCK_DIFFERENCE.total_seconds():
        raise VerificationError(f"witness: expected a time near {now:%Y-%m-%dT%H:%M:%SZ}, got {line.timestamp} s")
    return line
