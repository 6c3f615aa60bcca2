"""Policies and holds against the entries that report them: neither may exist without the other. No I/O."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from trenova.domain.retention import recording_tenant
from trenova.domain.verification import DamagedPlace
from trenova.store.retention.holds import Hold, Matching
from trenova.store.retention.policies import Policy

FIND_OUT = (
    "find out who changed the table by hand, and set it again with `trenova retention` or `trenova hold`, "
    "which report it in the ledger"
)
FILTERS = tuple(Matching.__dataclass_fields__)


class Party(Struct, frozen=True):
    id: str
    name: str | None = None


class RetentionEntry(Struct, frozen=True):
    """What is read of an entry that reports a policy or a hold."""

    action: str
    occurred_at: datetime
    actor: Party
    target: Party
    comment: str | None = None
    metadata: dict[str, Any] | None = None


decoder = msgspec.json.Decoder(RetentionEntry)


class Report(NamedTuple):
    """An entry and its place."""

    tenant: str
    """In whose ledger it is."""
    place: int
    """Its index."""
    entry: RetentionEntry


@dataclass(frozen=True, slots=True)
class Reports:
    """What the ledgers report."""

    policies: dict[str, Report] = field(default_factory=dict)
    """The latest of each tenant's policy."""
    placed: dict[str, Report] = field(default_factory=dict)
    """By the hold's id."""
    released: dict[str, Report] = field(default_factory=dict)
    """By the hold's id."""

    @classmethod
    def read(cls, rows: Iterable[tuple[str, int, bytes]]) -> "Reports":
        """From tenant, index and body, in the order of the ledgers.

        Skips a body that cannot be read; the check of its row finds that it was changed.
        """
        reports = cls()
        for tenant, index, body in rows:
            try:
                entry = decoder.decode(body)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            report = Report(tenant, index, entry)
            match entry.action:
                case "hold.place":
                    reports.placed[entry.target.id] = report
                case "hold.release":
                    reports.released[entry.target.id] = report
                case _ if recording_tenant(entry.target.id) == tenant:
                    reports.policies[entry.target.id] = report
        return reports


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A place that is damaged unless the entry that reported it, at this moment, was removed with its content."""

    place: DamagedPlace
    moment: datetime | None


def doubt_policies(policies: Mapping[str, Policy], reports: Reports) -> Iterator[Doubt]:
    for tenant, policy in policies.items():
        report = reports.policies.get(tenant)
        if report is None or report.entry.action != "retention.set":
            yield doubt(tenant, "retention policy", "an entry retention.set that reports it", "none", policy.set_at)
            continue
        metadata = report.entry.metadata or {}
        differing = differences(
            {"days": policy.days, "set_by": policy.set_by, "set_at": policy.set_at},
            {"days": metadata.get("days"), "set_by": report.entry.actor.id, "set_at": report.entry.occurred_at},
        )
        if differing:
            expected = f"{differing} as entry {report.place} says"
            yield doubt(tenant, "retention policy", expected, "another", policy.set_at)
    for tenant, report in reports.policies.items():
        if report.entry.action == "retention.set" and tenant not in policies:
            yield doubt(tenant, "retention policy", f"a row, as entry {report.place} says", "none", None)


def doubt_holds(holds: Mapping[str, Hold], reports: Reports) -> Iterator[Doubt]:
    for id_, hold in holds.items():
        report = reports.placed.get(id_)
        if report is None:
            yield doubt(hold.tenant, f"hold {id_}", "an entry hold.place that reports it", "none", hold.placed_at)
        elif differing := differences(facts_of_hold(hold), facts_of_entry(report.entry)):
            yield doubt(hold.tenant, f"hold {id_}", f"{differing} as entry {report.place} says", "another", None)
        yield from doubt_release(id_, hold, reports.released.get(id_))
    for id_, report in reports.placed.items():
        if id_ not in holds:
            yield doubt(report.tenant, f"hold {id_}", f"a row, as entry {report.place} says", "none", None)


def doubt_release(id_: str, hold: Hold, report: Report | None) -> Iterator[Doubt]:
    if report is None:
        if hold.released_at is not None:
            expected = "an entry hold.release that reports its release"
            yield doubt(hold.tenant, f"hold {id_}", expected, "none", hold.released_at)
        return
    entry = report.entry
    differing = differences(
        {"released_by": hold.released_by, "released_at": hold.released_at, "release_reason": hold.release_reason},
        {"released_by": entry.actor.id, "released_at": entry.occurred_at, "release_reason": entry.comment},
    )
    if differing:
        yield doubt(hold.tenant, f"hold {id_}", f"{differing} as entry {report.place} says", "another", None)


def facts_of_hold(hold: Hold) -> dict[str, Any]:
    filters = {name: value for name, value in asdict(hold).items() if name in FILTERS and value is not None}
    return {
        **filters,
        "name": hold.name,
        "reason": hold.reason,
        "placed_by": hold.placed_by,
        "placed_at": hold.placed_at,
    }


def facts_of_entry(entry: RetentionEntry) -> dict[str, Any]:
    try:
        filters = asdict(msgspec.convert(entry.metadata or {}, Matching))
    except msgspec.ValidationError:
        filters = {}
    return {
        **{name: value for name, value in filters.items() if value is not None},
        "name": entry.target.name,
        "reason": entry.comment,
        "placed_by": entry.actor.id,
        "placed_at": entry.occurred_at,
    }


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    """The names of what differs, never the values: filters may name people."""
    return ", ".join(name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name))


def doubt(tenant: str, what: str, expected: str, got: str, moment: datetime | None) -> Doubt:
    of = "" if what.startswith("hold") else f" of {tenant}"
    place = DamagedPlace(
        tenant=recording_tenant(tenant), place=f"{what}{of}", expected=expected, got=got, next_step=FIND_OUT
    )
    return Doubt(place=place, moment=moment)
