"""Records that already are entries: they pass through as they are."""

from collections import Counter

from trenova.importing.maps import identity
from trenova.importing.maps.entry import Entry, storable
from trenova.importing.maps.fields import Event

PRODUCT = "none"


def to_entry(event: Event, *, tenant: str | None, occurrence: int = 1) -> Entry:
    """The record itself, with `tenant` in place of its own if one is given. What is wrong with it the server tells.

    A record without an id gets one from its content and from the how-manieth it is of that content in its file: two
    honest records that are alike both stay, and importing the file again adds none.
    """
    entry = event if tenant is None else {**event, "tenant": tenant}
    if event.get("id") is None:
        entry = {**entry, "id": identity.named(PRODUCT, "content", identity.digest(event), str(occurrence))}
    storable(entry)
    return entry


class Numbered:
    """Maps the records of one file, counting those without an id that are alike.

    Takes about 100 bytes for each different one. They are told apart by 60 bits: where two should fall together, one
    gets a higher number than it needs, and still its own id, for the content is part of that.
    """

    def __init__(self, tenant: str | None) -> None:
        self.tenant = tenant
        self.seen: Counter[int] = Counter()

    def __call__(self, event: Event) -> Entry:
        if event.get("id") is not None:
            return to_entry(event, tenant=self.tenant)
        storable(event)
        alike = int(identity.digest(event)[:15], 16)
        self.seen[alike] += 1
        return to_entry(event, tenant=self.tenant, occurrence=self.seen[alike])
