"""Records that already are entries: they pass through unchanged."""

from collections import Counter

from trenova.importing.maps import identity
from trenova.importing.maps.entry import Entry, check_storable
from trenova.importing.maps.fields import Event

PRODUCT = "none"


def to_entry(event: Event, *, tenant: str | None, occurrence: int = 1) -> Entry:
    """The record itself, with `tenant` in place of its own if one is given. The server checks it.

    A record without an id gets one from its content and its ordinal among equal records of the file: two equal records
    are both stored, and a second import of the file adds none.
    """
    entry = event if tenant is None else {**event, "tenant": tenant}
    if event.get("id") is None:
        entry = {**entry, "id": identity.from_parts(PRODUCT, "content", identity.digest(event), str(occurrence))}
    check_storable(entry)
    return entry


class NumberingMap:
    """Maps the records of one file, and counts equal records without an id.

    Takes about 100 bytes for each distinct record. 60 bits of its hash identify it: if two collide, one gets a higher
    ordinal than it needs, and still an id of its own, as the content is a part of that.
    """

    def __init__(self, tenant: str | None) -> None:
        self.tenant = tenant
        self.seen: Counter[int] = Counter()

    def __call__(self, event: Event) -> Entry:
        if event.get("id") is not None:
            return to_entry(event, tenant=self.tenant)
        check_storable(event)
        key = int(identity.digest(event)[:15], 16)
        self.seen[key] += 1
        return to_entry(event, tenant=self.tenant, occurrence=self.seen[key])
