"""From the bytes of a request to sealed entries in one pass, or to the problems of all its entries."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import uuid_utils.compat

from trenova.config import LimitSettings
from trenova.domain import changes, decoding_errors, strict_json
from trenova.domain.entry import CANONICAL_FACTOR, Draft, Entry, SealedEntry
from trenova.domain.reserved import reserved_name_problem
from trenova.domain.seal_check import tenant_problem
from trenova.errors import EntryProblem

# Further problems are only counted: their list could be larger than the request.
MAX_PROBLEMS = 1000
# A problem may quote a key, which may be as long as an entry.
MAX_PROBLEM_CHARACTERS = 300
# Namespace of the ids derived from an Idempotency-Key. Never change it: a retry would become a second entry.
IDEMPOTENCY_NAMESPACE = uuid.UUID("6f1d1f5e-3a0b-5c55-9d0e-7c1f4a0c6b11")

decoder = msgspec.json.Decoder(Draft)
encoder = msgspec.json.Encoder(order="sorted")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestContext:
    """What an entry takes from its request."""

    received_at: datetime
    tenant: str | None
    """The API key's tenant; None for a key that may write for any tenant."""
    idempotency_key: str | None = None
    system: bool = False
    """Trenova itself writes the entry, so it may use reserved names. Never set for a client's request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The valid entries with their positions in the request, and the first problems of the others."""

    sealed: Sequence[tuple[int, SealedEntry]]
    problems: Sequence[EntryProblem]
    bad: int
    """The number of invalid entries, including those whose problem is not listed."""


class UnfitEntry(Exception):
    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


def check(raws: Sequence[bytes | memoryview], context: RequestContext, limits: LimitSettings) -> CheckResult:
    """Check and seal the JSON texts of a request's entries. Invalid entries are listed and raise no error."""
    sealed: list[tuple[int, SealedEntry]] = []
    problems: list[EntryProblem] = []
    bad = 0
    first_with: dict[tuple[str, uuid.UUID], int] = {}
    for index, raw in enumerate(raws):
        try:
            entry = seal(bytes(raw), index, context, limits)
            if (first := first_with.setdefault((entry.tenant, entry.id), index)) != index:
                raise UnfitEntry("/id", f"is also the id of entry {first} of this request")  # noqa: TRY301 - a problem like others
        except UnfitEntry as unfit:
            bad += 1
            if len(problems) < MAX_PROBLEMS:
                problems.append(EntryProblem(index=index, field=shorten(unfit.field), message=shorten(unfit.message)))
            continue
        sealed.append((index, entry))
    return CheckResult(sealed=sealed, problems=problems, bad=bad)


def shorten(text: str) -> str:
    return text if len(text) <= MAX_PROBLEM_CHARACTERS else f"{text[:MAX_PROBLEM_CHARACTERS]}…"


def seal(raw: bytes, index: int, context: RequestContext, limits: LimitSettings) -> SealedEntry:
    if len(raw) > limits.max_entry_bytes:
        raise UnfitEntry("", f"has {len(raw):,} bytes, the limit for one entry is {limits.max_entry_bytes:,}")
    draft = read(raw, limits)
    most = CANONICAL_FACTOR * limits.max_entry_bytes
    entry = complete(draft, index, context, most)
    check_names(entry, context)
    body = encoder.encode(entry)
    check_keys(raw, body, added=added_quotation_marks(draft, entry))
    if len(body) > most and entry.changes is not None and draft.changes is None:
        # Computed changes repeat content of before and after: a large entry is stored without them.
        body = encoder.encode(msgspec.structs.replace(entry, changes=None, changes_omitted=True))
    if len(body) > most:
        raise UnfitEntry("", f"has {len(body):,} bytes in canonical form, the limit is {most:,}")
    return SealedEntry(id=entry.id, tenant=entry.tenant, body=body)


def check_keys(raw: bytes, body: bytes, *, added: int) -> None:
    if strict_json.may_repeat_a_key(raw, body, added=added) and (key := strict_json.repeated_key(raw)) is not None:
        raise UnfitEntry("", strict_json.repeated_key_problem(key))


def added_quotation_marks(draft: Draft, entry: Entry) -> int:
    """The number of quotation marks that sealing adds to the draft: two for each key, two for each string."""
    added_fields = (draft.id is None) + (draft.tenant is None) + (draft.occurred_at is None) + (draft.outcome is None)
    marks = 4 * (added_fields + 1)  # one more for received_at
    if draft.changes is None and entry.changes is not None:
        marks += 2 + encoder.encode(entry.changes).count(b'"')
    return marks + 2 if entry.changes_omitted else marks


def check_names(entry: Entry, context: RequestContext) -> None:
    # An API key from an earlier release may have a tenant that is no longer valid.
    if problem := tenant_problem(entry.tenant):
        raise UnfitEntry("/tenant", problem)
    if not context.system and (reserved := reserved_name_problem(entry)):
        raise UnfitEntry(*reserved)


def read(raw: bytes, limits: LimitSettings) -> Draft:
    try:
        draft = decoder.decode(raw)
        problem = strict_json.problem_besides_keys(raw, max_nesting=limits.max_nesting)
    except msgspec.ValidationError as error:
        raise UnfitEntry(*decoding_errors.field_and_problem(str(error))) from None
    except UnicodeDecodeError as error:
        raise UnfitEntry("", f"is not valid UTF-8: {error.reason} at byte {error.start} of a string") from None
    except msgspec.DecodeError as error:
        raise UnfitEntry("", f"is not valid JSON: {decoding_errors.syntax_problem(error)}") from None
    except RecursionError:
        raise UnfitEntry("", f"is nested deeper than {limits.max_nesting} levels") from None
    if problem:
        raise UnfitEntry("", problem)
    return draft


def complete(draft: Draft, index: int, context: RequestContext, most_bytes: int) -> Entry:
    tenant = tenant_of(draft, context)
    differences, omitted = draft.changes, None
    if differences is None and draft.before is not None and draft.after is not None:
        differences = changes.between(draft.before, draft.after, most_bytes)
        omitted = True if differences is None else None
    return Entry(
        id=draft.id or new_id(tenant, index, context),
        tenant=tenant,
        occurred_at=in_utc(draft.occurred_at) if draft.occurred_at else context.received_at,
        received_at=context.received_at,
        actor=draft.actor,
        action=draft.action,
        target=draft.target,
        outcome=draft.outcome or "success",
        before=draft.before,
        after=draft.after,
        changes=differences,
        changes_omitted=omitted,
        context=draft.context,
        comment=draft.comment,
        metadata=draft.metadata,
        critical=draft.critical,
    )


def tenant_of(draft: Draft, context: RequestContext) -> str:
    """The tenant of the API key; with a key for any tenant, the one that the entry names."""
    if context.tenant is None:
        if draft.tenant is None:
            raise UnfitEntry("/tenant", "is required: this API key may write for any tenant")
        return draft.tenant
    if draft.tenant not in {None, context.tenant}:
        raise UnfitEntry("/tenant", f"must be {context.tenant} or absent: this API key writes for that tenant only")
    return context.tenant


def new_id(tenant: str, index: int, context: RequestContext) -> uuid.UUID:
    """With an Idempotency-Key the same id for the same position in a retry, else one that sorts by time (UUIDv7)."""
    if context.idempotency_key is not None:
        return uuid.uuid5(IDEMPOTENCY_NAMESPACE, f"{tenant}\n{context.idempotency_key}\n{index}")
    return uuid_utils.compat.uuid7()


def in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise UnfitEntry("/occurred_at", "is before the year 1 or after the year 9999 in UTC") from None
