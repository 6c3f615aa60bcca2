"""What differs between two descriptions of the database. No I/O."""

from collections.abc import Iterator
from typing import Any

from trenova.domain.verification import DamagedPlace
from trenova.store.catalog.description import Description

MADE = "as the migrations make it"
FIND_OUT = "find out who changed it: only the owner of the tables or a superuser can"
RESTORE = f"{FIND_OUT}; make it as src/trenova/store/migrations does"
DROP = f"{FIND_OUT}; remove it, then run `trenova verify --live`"


def differences(expected: Description, found: Description) -> list[DamagedPlace]:
    """One place for each object that is missing, is there and should not be, or is another."""
    return [*missing(expected, found), *strange(expected, found), *changed(expected, found)]


def missing(expected: Description, found: Description) -> Iterator[DamagedPlace]:
    for name in sorted(expected.keys() - found.keys()):
        if not inside(name, expected, found):
            yield place(name, f"it {MADE}", "none", RESTORE)


def strange(expected: Description, found: Description) -> Iterator[DamagedPlace]:
    for name in sorted(found.keys() - expected.keys()):
        facts = ", ".join(f"{fact} {said(value)}" for fact, value in sorted(found[name].items()))
        yield place(name, "none: no migration makes it", facts or "one", DROP)


def changed(expected: Description, found: Description) -> Iterator[DamagedPlace]:
    for name in sorted(expected.keys() & found.keys()):
        ours, theirs = expected[name], found[name]
        facts = [fact for fact in sorted(ours.keys() | theirs.keys()) if ours.get(fact) != theirs.get(fact)]
        if facts:
            yield place(
                name,
                ", ".join(f"{fact} {said(ours.get(fact))}" for fact in facts),
                ", ".join(f"{fact} {said(theirs.get(fact))}" for fact in facts),
                RESTORE,
            )


def inside(name: str, expected: Description, found: Description) -> bool:
    """Whether what is missing belongs to a table that is missing itself, and is named with it."""
    gone = {each.removeprefix("table ") for each in expected.keys() - found.keys() if each.startswith("table ")}
    kind, _, rest = name.partition(" ")
    owner = rest.partition(".")[0] if kind == "column" else rest.rpartition(" on ")[2]
    return kind != "table" and owner in gone


def said(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(str, value))
        case _:
            return str(value) or "none"


def place(name: str, expected: str, got: str, next_step: str) -> DamagedPlace:
    return DamagedPlace(tenant="", place=f"database: {name}", expected=expected, got=got, next_step=next_step)
