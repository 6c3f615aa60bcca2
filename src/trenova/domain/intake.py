"""From the bytes of a request to sealed entries, in one pass; or every problem of every entry."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import uuid_utils.compat

from trenova.config import LimitSettings
from trenova.domain import changes, explain, strict_json
from trenova.domain.entry import CANONICAL_FACTOR, Draft, Entry, Sealed
from trenova.domain.reserved import reserved
from trenova.domain.sealed import wrong_tenant
from trenova.errors import EntryProblem

# What is wrong with the others is only counted: a list that nobody reads to the end could be larger than the request.
MAX_PROBLEMS = 1000
# A complaint may quote a key, which may be as long as an entry.
MAX_COMPLAINT = 300
# Namespace of the ids made from an Idempotency-Key. Never change it: a retry would become a second entry.
IDEMPOTENCY_NAMESPACE = uuid.UUID("6f1d1f5e-3a0b-5c55-9d0e-7c1f4a0c6b11")

decoder = msgspec.json.Decoder(Draft)
encoder = msgspec.json.Encoder(order="sorted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What an entry gets from the request that brings it."""

    received_at: datetime
    tenant: str | None
    """The API key's tenant; None for a key that may write for any."""
    idempotency_key: str | None = None
    system: bool = False
    """The program itself writes it: it may use the names that are reserved for that. No request sets it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The good entries with their positions in the request, and what is wrong with the first of the others."""

    sealed: Sequence[tuple[int, Sealed]]
    problems: Sequence[EntryProblem]
    bad: int
    """How many entries are wrong, those whose problem is not listed too."""


class Unfit(Exception):
    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


def check(raws: Sequence[bytes | memoryview], circumstances: Circumstances, limits: LimitSettings) -> Checked:
    """Check and seal the JSON texts of a request's entries. Raises nothing for bad entries: they are listed."""
    sealed: list[tuple[int, Sealed]] = []
    problems: list[EntryProblem] = []
    bad = 0
    first_with: dict[tuple[str, uuid.UUID], int] = {}
    for index, raw in enumerate(raws):
        try:
            entry = seal(bytes(raw), index, circumstances, limits)
            if (first := first_with.setdefault((entry.tenant, entry.id), index)) != index:
                raise Unfit("/id", f"is also the id of entry {first} of this request")  # noqa: TRY301 - a problem as others
        except Unfit as unfit:
            bad += 1
            if len(problems) < MAX_PROBLEMS:
                problems.append(EntryProblem(index=index, field=cut(unfit.field), message=cut(unfit.message)))
            continue
        sealed.append((index, entry))
    return Checked(sealed=sealed, problems=problems, bad=bad)


def cut(text: str) -> str:
    return text if len(text) <= MAX_COMPLAINT else f"{text[:MAX_COMPLAINT]}…"


def seal(raw: bytes, index: int, circumstances: Circumstances, limits: LimitSettings) -> Sealed:
    if len(raw) > limits.max_entry_bytes:
        raise Unfit("", f"has {len(raw):,} bytes, the limit for one entry is {limits.max_entry_bytes:,}")
    draft = read(raw, limits)
    most = CANONICAL_FACTOR * limits.max_entry_bytes
    entry = complete(draft, index, circumstances, most)
    check_names(entry, circumstances)
    body = encoder.encode(entry)
    check_keys(raw, body, added=marks_added(draft, entry))
    if len(body) > most and entry.changes is not None and draft.changes is None:
        # Computed changes repeat what before and after already say: an honest large entry is kept without them.
        body = encoder.encode(msgspec.structs.replace(entry, changes=None, changes_omitted=True))
    if len(body) > most:
        raise Unfit("", f"has {len(body):,} bytes in canonical form, the limit is {most:,}")
    return Sealed(id=entry.id, tenant=entry.tenant, body=body)


def check_keys(raw: bytes, body: bytes, *, added: int) -> None:
    if strict_json.may_repeat_a_key(raw, body, added=added) and (key := strict_json.repeated_key(raw)) is not None:
        raise Unfit("", strict_json.repeats(key))


def marks_added(draft: Draft, entry: Entry) -> int:
    """The quotation marks that sealing adds to those of the draft: two for each key, two for each text."""
    filled_in = (draft.id is None) + (draft.tenant is None) + (draft.occurred_at is None) + (draft.outcome is None)
    marks = 4 * (filled_in + 1)  # the one: received_at
    if draft.changes is None and entry.changes is not None:
        marks += 2 + encoder.encode(entry.changes).count(b'"')
    return marks + 2 if entry.changes_omitted else marks


def check_names(entry: Entry, circumstances: Circumstances) -> None:
    # The tenant of an API key that an earlier release has made may be one that is not taken any more.
    if wrong := wrong_tenant(entry.tenant):
        raise Unfit("/tenant", wrong)
    if not circumstances.system and (found := reserved(entry)):
        raise Unfit(*found)


def read(raw: bytes, limits: LimitSettings) -> Draft:
    try:
        draft = decoder.decode(raw)
        found = strict_json.unfit(raw, max_nesting=limits.max_nesting)
    except msgspec.ValidationError as error:
        raise Unfit(*explain.complaint(str(error))) from None
    except UnicodeDecodeError as error:
        raise Unfit("", f"is not valid UTF-8: {error.reason} at byte {error.start} of a string") from None
    except msgspec.DecodeError as error:
        raise Unfit("", f"is not valid JSON: {explain.syntax(error)}") from None
    except RecursionError:
        raise Unfit("", f"is nested deeper than {limits.max_nesting} levels") from None
    if found:
        raise Unfit("", found)
    return draft


def complete(draft: Draft, index: int, circumstances: Circumstances, most_bytes: int) -> Entry:
    tenant = tenant_of(draft, circumstances)
    differences, omitted = draft.changes, None
    if differences is None and draft.before is not None and draft.after is not None:
        differences = changes.between(draft.before, draft.after, most_bytes)
        omitted = True if differences is None else None
    return Entry(
        id=draft.id or new_id(tenant, index, circumstances),
        tenant=tenant,
        occurred_at=in_utc(draft.occurred_at) if draft.occurred_at else circumstances.received_at,
        received_at=circumstances.received_at,
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


def tenant_of(draft: Draft, circumstances: Circumstances) -> str:
    """The tenant, from the key and nowhere else; a key for any tenant needs the entry to name it."""
    if circumstances.tenant is None:
        if draft.tenant is None:
            raise Unfit("/tenant", "is required: this API key may write for any tenant")
        return draft.tenant
    if draft.tenant not in {None, circumstances.tenant}:
        raise Unfit("/tenant", f"must be {circumstances.tenant} or absent: this API key writes for that tenant only")
    return circumstances.tenant


def new_id(tenant: str, index: int, circumstances: Circumstances) -> uuid.UUID:
    """The same id for the same place in a retried request; else one that sorts by time (UUIDv7)."""
    if circumstances.idempotency_key is not None:
        return uuid.uuid5(IDEMPOTENCY_NAMESPACE, f"{tenant}\n{circumstances.idempotency_key}\n{index}")
    return uuid_utils.compat.uuid7()


def in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise Unfit("/occurred_at", "is before the year 1 or after the year 9999 in UTC") from None
