"""Policies and holds against the entries that tell of them: neither may be there without the other. No I/O."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from trenova.domain.retention import recording_tenant
from trenova.domain.verification import DamagedPlace
from trenova.store.retention.holds import Hold, Matching
from trenova.store.retention.policies import Policy

FIND_OUT = (
    "find out who changed the table by hand, and set it again with `trenova retention` or `trenova hold`, "
    "which tell of it in the log"
)
FILTERS = tuple(Matching.__dataclass_fields__)


class Party(Struct, frozen=True):
    id: str
    name: str | None = None


class Told(Struct, frozen=True):
    """What is read of such an entry."""

    action: str
    occurred_at: datetime
    actor: Party
    target: Party
    comment: str | None = None
    metadata: dict[str, Any] | None = None


decoder = msgspec.json.Decoder(Told)


@dataclass(frozen=True, slots=True)
class Events:
    """What the logs tell, as (index, entry)."""

    policies: dict[str, tuple[int, Told]] = field(default_factory=dict)
    """The latest of each tenant's policy."""
    placed: dict[str, tuple[int, Told, str]] = field(default_factory=dict)
    """By the hold's id, with the tenant in whose log it is told."""
    released: dict[str, tuple[int, Told]] = field(default_factory=dict)

    @classmethod
    def by(cls, rows: Iterable[Sequence[Any]]) -> "Events":
        """From tenant, index and body, in the order of the logs. A body that cannot be read is found with its row."""
        events = cls()
        for tenant, index, body in rows:
            try:
                told = decoder.decode(body)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            match told.action:
                case "hold.place":
                    events.placed[told.target.id] = (index, told, tenant)
                case "hold.release":
                    events.released[told.target.id] = (index, told)
                case _ if recording_tenant(told.target.id) == tenant:
                    events.policies[told.target.id] = (index, told)
        return events


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A place that is damaged unless the entry that told of it, at this moment, has gone with its content."""

    place: DamagedPlace
    moment: datetime | None


def of_policies(policies: Mapping[str, Policy], events: Events) -> Iterator[Doubt]:
    for tenant, policy in policies.items():
        index, told = events.policies.get(tenant, (None, None))
        if told is None or told.action != "retention.set":
            yield doubt(tenant, "retention policy", "an entry retention.set that tells of it", "none", policy.set_at)
            continue
        said = told.metadata or {}
        differing = differences(
            {"days": policy.days, "set_by": policy.set_by, "set_at": policy.set_at},
            {"days": said.get("days"), "set_by": told.actor.id, "set_at": told.occurred_at},
        )
        if differing:
            yield doubt(tenant, "retention policy", f"{differing} as entry {index} says", "another", policy.set_at)
    for tenant, (index, told) in events.policies.items():
        if told.action == "retention.set" and tenant not in policies:
            yield doubt(tenant, "retention policy", f"a row, as entry {index} says", "none", None)


def of_holds(holds: Mapping[str, Hold], events: Events) -> Iterator[Doubt]:
    for id_, hold in holds.items():
        index, placed, _ = events.placed.get(id_, (None, None, ""))
        if placed is None:
            yield doubt(hold.tenant, f"hold {id_}", "an entry hold.place that tells of it", "none", hold.placed_at)
        elif differing := differences(of_hold(hold), of_entry(placed)):
            yield doubt(hold.tenant, f"hold {id_}", f"{differing} as entry {index} says", "another", None)
        yield from of_release(id_, hold, *events.released.get(id_, (None, None)))
    for id_, (index, _, tenant) in events.placed.items():
        if id_ not in holds:
            yield doubt(tenant, f"hold {id_}", f"a row, as entry {index} says", "none", None)


def of_release(id_: str, hold: Hold, index: int | None, told: Told | None) -> Iterator[Doubt]:
    if told is None:
        if hold.released_at is not None:
            expected = "an entry hold.release that tells of its release"
            yield doubt(hold.tenant, f"hold {id_}", expected, "none", hold.released_at)
        return
    differing = differences(
        {"released_by": hold.released_by, "released_at": hold.released_at, "release_reason": hold.release_reason},
        {"released_by": told.actor.id, "released_at": told.occurred_at, "release_reason": told.comment},
    )
    if differing:
        yield doubt(hold.tenant, f"hold {id_}", f"{differing} as entry {index} says", "another", None)


def of_hold(hold: Hold) -> dict[str, Any]:
    kept = {name: value for name, value in asdict(hold).items() if name in FILTERS and value is not None}
    return {**kept, "name": hold.name, "reason": hold.reason, "placed_by": hold.placed_by, "placed_at": hold.placed_at}


def of_entry(told: Told) -> dict[str, Any]:
    try:
        filters = asdict(msgspec.convert(told.metadata or {}, Matching))
    except msgspec.ValidationError:
        filters = {}
    said = {name: value for name, value in filters.items() if value is not None}
    named = {"name": told.target.name, "reason": told.comment}
    return {**said, **named, "placed_by": told.actor.id, "placed_at": told.occurred_at}


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    """The names of what differs, never the values: filters may name people."""
    return ", ".join(name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name))


def doubt(tenant: str, what: str, expected: str, got: str, moment: datetime | None) -> Doubt:
    of = "" if what.startswith("hold") else f" of {tenant}"
    place = DamagedPlace(
        tenant=recording_tenant(tenant), place=f"{what}{of}", expected=expected, got=got, next_step=FIND_OUT
    )
    return Doubt(place=place, moment=moment)
