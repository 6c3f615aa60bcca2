"""What is sent. An entry follows from its place alone, so a million of them can be compared without being kept."""

import uuid
from dataclasses import dataclass

import msgspec

ACTIONS = ("shipment.update", "shipment.create", "invoice.approve", "user.login", "key.rotate", "report.export")
OUTCOMES = ("success", "success", "success", "failure", "denied")
NAMES = ("Ada", "Grace Hopper", "Zoë", "Łukasz", "李雷", "O'Brien")
COMMENT = "Moved from the dock to the hall, “as agreed”. "
# One entry in so many is padded with this many comments, 20 kB. The others have some 500 bytes.
LARGE_EVERY, LARGE_PAD = 997, 400
MIX = 0x9E3779B97F4A7C15

AUTHOR_BITS, REQUEST_BITS, POSITION_BITS = 12, 42, 20
RUN_BITS = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """A source of requests, all for one tenant. With two senders each request is sent twice at about the same time."""

    number: int
    tenant: str
    entries_each: int
    senders: int = 1
    wait_every: int = 0
    """One request in this many uses `wait=stored`; 0: none."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where an entry comes from. `position` counts from 0 within its request."""

    author: int
    request: int
    position: int


def authors(tenants: int) -> tuple[Author, ...]:
    """The writers of a run: bulk, single entries, and pairs that send the same, over so many tenants."""
    kinds = [(250, 1, 0), (250, 1, 0), (250, 2, 0), (20, 1, 4), (1, 1, 5), (1, 2, 7), (1, 1, 0), (3, 1, 2)]
    return tuple(
        Author(
            number=number,
            tenant=f"tenant-{number % tenants}",
            entries_each=entries_each,
            senders=senders,
            wait_every=wait_every,
        )
        for number, (entries_each, senders, wait_every) in enumerate(kinds)
    )


def id_of(run: int, place: Place) -> uuid.UUID:
    """A version 8 UUID that holds the place: 48 bits run, 12 author, 42 request, 20 position."""
    high = (run % (1 << RUN_BITS)) << 16 | 8 << 12 | place.author
    return uuid.UUID(int=high << 64 | 0b10 << 62 | place.request << POSITION_BITS | place.position)


def place_of(run: int, id_: uuid.UUID) -> Place | None:
    """The place that an id of this run holds; None for any other id."""
    author = id_.int >> 64 & ((1 << AUTHOR_BITS) - 1)
    request = id_.int >> POSITION_BITS & ((1 << REQUEST_BITS) - 1)
    place = Place(author, request, id_.int & ((1 << POSITION_BITS) - 1))
    return place if id_of(run, place) == id_ else None


def entry(run: int, tenant: str, place: Place) -> dict[str, object]:
    """The entry as it is sent, with every field that the server would fill in."""
    made = id_of(run, place)
    number = made.int * MIX >> 24 & 0xFFFFFFFF
    return {
        "action": ACTIONS[number % len(ACTIONS)],
        "actor": {"id": f"u-{number % 997}", "name": NAMES[number % len(NAMES)], "type": "user"},
        "after": {"place": f"hall {number % 13}", "weight": number % 1000 / 8},
        "comment": COMMENT,
        "id": str(made),
        "metadata": {"number": number, "pad": COMMENT * (LARGE_PAD if number % LARGE_EVERY == 0 else 0)},
        "occurred_at": f"2026-01-{1 + number % 28:02}T{number % 24:02}:00:00.{1 + number % 999_999:06}Z",
        "outcome": OUTCOMES[number % len(OUTCOMES)],
        "target": {"id": f"s-{number % 100_003}", "type": "shipment"},
        "tenant": tenant,
    }


def request_body(run: int, author: Author, request: int) -> bytes:
    """An object for one entry, an array for several."""
    made = [entry(run, author.tenant, Place(author.number, request, at)) for at in range(author.entries_each)]
    return msgspec.json.encode(made[0] if len(made) == 1 else made)


def stored_bytes(run: int, tenant: str, place: Place) -> bytes:
    """The canonical bytes that must be stored, except for `received_at`."""
    return msgspec.json.encode(entry(run, tenant, place), order="sorted")
