"""Every error of the project, grouped by what the reader can do about it.

TrenovaError
├── RequestError                  fix the request
│   ├── InvalidRequest            the request as a whole cannot be read
│   │   ├── UnsupportedMediaType  the content type or encoding is not supported
│   │   └── SearchTooWide         no index bounds the search, and it took too long
│   ├── InvalidEntries            these entries, each named, are invalid
│   ├── RequestTooLarge           more bytes or entries than one request may hold
│   ├── RequestTooSlow            the body arrives more slowly than the minimum rate
│   ├── Unauthenticated           no API key, an unknown one or a revoked one
│   ├── Forbidden                 the key does not permit this
│   ├── client.ApiError           an error of the API, as the HTTP client raises it
│   └── NotFound                  nothing there, or nothing this key may see
│       └── Removed               it was there, and its content has been removed
├── NotChecked                    fix the keys or files that were given for a verification
├── retry later
│   └── Unavailable               a part is unreachable or at its limit; nothing was accepted
│       ├── TemporalUnreachable   Temporal did not answer; it may have accepted what it was sent
│       ├── TemporalDenied        Temporal answers and denies access: the credentials or the namespace are wrong
│       ├── StatementTimeout      the database cancelled a statement
│       ├── Busy                  this server is at its limit
│       │   └── TooManyReads      this caller is at its limit of concurrent reads
│       ├── Blocked               another transaction holds the lock
│       └── WitnessUnavailable    a witness answers that it cannot cosign now
└── operator action required
    ├── InvalidConfiguration      settings that cannot work, all of them listed
    ├── NotSealed                 a body that no release of this program has sealed
    ├── SchemaMismatch            the database is older or newer than this program
    ├── DatabaseFault             the database rejects the program itself
    ├── RowRejected               the database rejects one row
    ├── LedgerDamaged             what is stored of a ledger contradicts itself
    ├── PartFailed                a process that `trenova dev` runs cannot run
    ├── OutputFailed              standard output cannot be written
    │   └── ReaderLeft            the reader of standard output has gone
    ├── VerificationError         a proof, checkpoint, signature or evidence file does not hold
    │   └── CheckpointConflict    a witness, or a published file, contradicts one of our checkpoints
    └── PayloadError              a payload cannot be sent to Temporal, or cannot be read when it comes back
        ├── EncryptionKeyNotFound  it names a key that this program does not hold
        ├── DecryptionFailed       the key of that name does not decrypt it
        ├── PlaintextRefused       it is not encrypted, and strict mode is on
        ├── InvalidPayload         it is malformed, nested too deeply or too large once decompressed
        │   └── DecodedTooLarge    the payloads decoded together are too large once decompressed
        └── PayloadTooLarge        it is larger than Temporal accepts

Imports nothing. Messages are lower case, say what was expected, what was found and what to do next, and never hold a
secret or the content of an entry.

The type decides who reads an error. Message and hint are for the operator: they name addresses, logins, settings and
commands, and stay in logs and on the command line. A client of the API reads `for_client`, which repeats them only
for errors the caller can act on: its own mistakes (RequestError) and Busy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

Effect = Literal["nothing", "unknown"]


@dataclass(frozen=True, slots=True)
class ClientMessage:
    """An error as a client of the API reads it."""

    detail: str
    hint: str | None = None


DATABASE_SETTING = "{database_setting}"
"""In the texts of an error, replaced by its `database_setting` when they are read."""


class TrenovaError(Exception):
    """What went wrong in one line; `hint` is the operator's next step, if there is one."""

    database_setting = "database.url"
    """The setting from which the address of the database was read. The store does not know it; its callers set it."""

    retryable = False
    effect: Effect = "unknown"
    """What the request has changed when this is raised: nothing, or it is not known."""
    failure_type: ClassVar[str] = "TrenovaError"
    """How Temporal names it in failures. Part of histories, so a class keeps the name of its first release."""

    def __init_subclass__(cls, *, failure_type: str | None = None) -> None:
        cls.failure_type = failure_type or cls.__name__

    to_client = "something failed inside this server"
    """The message that a client may read."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.raw_message = message
        self.raw_hint = hint

    def __str__(self) -> str:
        return self.message

    @property
    def message(self) -> str:
        return self.with_setting(self.raw_message)

    @property
    def hint(self) -> str | None:
        return None if self.raw_hint is None else self.with_setting(self.raw_hint)

    def with_setting(self, text: str) -> str:
        return text.replace(DATABASE_SETTING, self.database_setting)

    @property
    def for_client(self) -> ClientMessage:
        return ClientMessage(self.to_client)


class RequestError(TrenovaError):
    """The caller can fix the request, so message and hint are the caller's.

    `note` is for the operator: it is logged.
    """

    effect = "nothing"

    def __init__(self, message: str, *, hint: str | None = None, note: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.note = note

    @property
    def for_client(self) -> ClientMessage:
        return ClientMessage(self.message, self.hint)


class InvalidRequest(RequestError):
    """The request cannot be read at all: broken JSON, wrong content type, a parameter out of range."""


class UnsupportedMediaType(InvalidRequest):
    """The body has a content type or encoding that is not understood."""


class SearchTooWide(InvalidRequest):
    """The search scanned too many entries, and would again. A narrower search succeeds at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryProblem:
    """One problem of one entry: its 0-based position in the request, and the field as a JSON Pointer."""

    index: int
    field: str
    message: str


class InvalidEntries(RequestError):
    """`bad` entries of a readable request are invalid; `problems` names the first of them."""

    def __init__(self, problems: Sequence[EntryProblem], *, bad: int, total: int) -> None:
        super().__init__(
            f"{bad} of {total} {'entry is' if total == 1 else 'entries are'} invalid; nothing was accepted"
        )
        self.problems = tuple(problems)
        self.bad = bad


class RequestTooLarge(RequestError):
    """The request holds more bytes or entries than the limits allow."""


class RequestTooSlow(RequestError):
    """The body of the request arrives below the minimum rate. Nothing was accepted."""


class Unauthenticated(RequestError):
    """No API key, or one that is unknown or revoked (deliberately not distinguished)."""


class Forbidden(RequestError):
    """The API key is valid, but its role or tenant does not permit this."""


class NotChecked(TrenovaError):
    """Nothing was verified, for a reason that says nothing about the data."""


class NotFound(RequestError):
    """Nothing there, or nothing that this API key may see (deliberately not distinguished)."""


class Removed(NotFound):
    """The entry was stored, and its content was removed since. Its place in the ledger can still be proved."""


class Unavailable(TrenovaError):
    """A part is unreachable or at its limit. Nothing was accepted; the same request may be sent again."""

    retryable = True
    effect: Effect = "nothing"
    to_client = "this server cannot do this at the moment"

    def __init__(
        self, message: str, *, retry_after_s: int = 1, hint: str | None = None, to_client: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s
        self.to_client = to_client or self.to_client

    def of_something_sent(self) -> "Unavailable":
        """This error, for a request that an earlier attempt may have completed."""
        self.effect = "unknown"
        return self


class TemporalUnreachable(Unavailable, failure_type="TemporalAway"):
    """Temporal did not answer. It may have persisted the request; repeating it with the same id finds out."""

    effect = "unknown"

    @classmethod
    def instead_of(cls, error: Unavailable) -> "TemporalUnreachable":
        """The same error for a request of which something was sent."""
        return cls(error.message, retry_after_s=error.retry_after_s, hint=error.hint, to_client=error.to_client)


class TemporalDenied(Unavailable, failure_type="TemporalRefuses"):
    """Temporal answers and denies access: the credentials or the namespace are wrong. It has persisted nothing."""


class StatementTimeout(Unavailable):
    """A statement exceeded its timeout, or an administrator of the database cancelled it."""


class Busy(Unavailable):
    """This server is at its limit. Nothing is wrong with it, so the client may read message and hint."""

    @property
    def for_client(self) -> ClientMessage:
        return ClientMessage(self.message, self.hint)


class TooManyReads(Busy):
    """This caller is at its limit of concurrent and of waiting reads."""


class Blocked(Unavailable):
    """Another transaction holds a lock that this one needs, and this one was aborted."""


class WitnessUnavailable(Unavailable, failure_type="WitnessFails"):
    """A witness answers 429, or 500 and above: it cannot cosign now. It may still cosign other ledgers."""


class InvalidConfiguration(TrenovaError):
    """Settings that cannot work. `problems` has one line per problem: the key, its value and what was expected."""

    def __init__(self, problems: Sequence[str], *, hint: str | None = None) -> None:
        super().__init__("invalid configuration: " + "; ".join(problems), hint=hint)
        self.raw_problems = tuple(problems)

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(self.with_setting(problem) for problem in self.raw_problems)


class NotSealed(TrenovaError):
    """A body that is not a sealed entry: it did not reach the worker through the API."""


class SchemaMismatch(TrenovaError):
    """The database schema is older or newer than this program."""


class DatabaseFault(TrenovaError):
    """The database rejects the program itself: a table or a right is missing, or one of the two has a bug.

    `code` is PostgreSQL's SQLSTATE.
    """

    def __init__(self, message: str, *, hint: str | None = None, code: str = "unknown") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class RowRejected(TrenovaError, failure_type="RowRefused"):
    """The database rejects this row. `reason` may quote the row, so it may only be stored beside it."""

    def __init__(self, *, code: str, reason: str) -> None:
        super().__init__(
            f"the database rejects a row (SQLSTATE {code})", hint="the database's log names the rule that it breaks"
        )
        self.code = code
        self.reason = reason


class LedgerDamaged(TrenovaError, failure_type="LogDamaged"):
    """The stored ledger of a tenant contradicts itself. Nothing is appended to it."""

    to_client = "the stored ledger contradicts itself, so it proves nothing until it is restored"


class PartFailed(TrenovaError):
    """A process that `trenova dev` runs cannot start or keeps dying."""


class OutputFailed(TrenovaError):
    """Standard output cannot be written, for example to a full disk."""


class ReaderLeft(OutputFailed):
    """The reader of standard output has closed it, as `head` does. It is not reported."""


class VerificationError(TrenovaError):
    """A proof, checkpoint, signature or evidence file does not hold. The message says where, and what was expected."""


class CheckpointConflict(VerificationError, failure_type="CheckpointRefused"):
    """A witness or a published file contradicts one of our checkpoints; `answer` is its content."""

    def __init__(self, message: str, *, status: int = 0, answer: bytes = b"") -> None:
        super().__init__(message)
        self.status = status
        self.answer = answer


class PayloadError(TrenovaError):
    """A payload that cannot be read or sent. `str()` holds the next step as well, since that is all Temporal shows."""

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class EncryptionKeyNotFound(PayloadError):
    """The payload names a key id that is not configured here. No other key is ever tried in its place."""


class DecryptionFailed(PayloadError):
    """The key does not decrypt the payload: it is another key under the same id, or the payload was changed."""


class PlaintextRefused(PayloadError):
    """The payload is not encrypted, and `requireEncryption` is on."""


class InvalidPayload(PayloadError):
    """The payload is malformed, nested in too many layers, or too large once decompressed."""


class DecodedTooLarge(InvalidPayload):
    """Payloads that are decoded together exceed the size limit once decompressed."""


class PayloadTooLarge(PayloadError):
    """The encoded payload is larger than Temporal accepts. Nothing was sent."""
