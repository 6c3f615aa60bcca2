"""What differs between two descriptions of the database. No I/O."""

from collections.abc import Iterator
from typing import Any

from trenova.domain.verification import DamagedPlace
from trenova.store.catalog.description import Description

MADE = "as the migrations made it"
FIND_OUT = "find out who changed it: only the owner of the tables or a superuser can"
RESTORE = f"{FIND_OUT}; restore it as in src/trenova/store/migrations"
DROP = f"{FIND_OUT}; remove it, then run `trenova verify --live`"


def differences(expected: Description, actual: Description) -> list[DamagedPlace]:
    """One place for each object that is missing, must not exist, or was changed."""
    return [
        *missing_objects(expected, actual),
        *unexpected_objects(expected, actual),
        *changed_objects(expected, actual),
    ]


def missing_objects(expected: Description, actual: Description) -> Iterator[DamagedPlace]:
    for name in sorted(expected.keys() - actual.keys()):
        if not is_of_missing_table(name, expected, actual):
            yield place(name, f"it {MADE}", "none", RESTORE)


def unexpected_objects(expected: Description, actual: Description) -> Iterator[DamagedPlace]:
    for name in sorted(actual.keys() - expected.keys()):
        facts = ", ".join(f"{fact} {text_of(value)}" for fact, value in sorted(actual[name].items()))
        yield place(name, "none: no migration made it", facts or "one", DROP)


def changed_objects(expected: Description, actual: Description) -> Iterator[DamagedPlace]:
    for name in sorted(expected.keys() & actual.keys()):
        ours, theirs = expected[name], actual[name]
        facts = [fact for fact in sorted(ours.keys() | theirs.keys()) if ours.get(fact) != theirs.get(fact)]
        if facts:
            yield place(
                name,
                ", ".join(f"{fact} {text_of(ours.get(fact))}" for fact in facts),
                ", ".join(f"{fact} {text_of(theirs.get(fact))}" for fact in facts),
                RESTORE,
            )


def is_of_missing_table(name: str, expected: Description, actual: Description) -> bool:
    """Whether a missing object belongs to a table that is missing itself, and is reported with it."""
    missing_tables = {
        each.removeprefix("table ") for each in expected.keys() - actual.keys() if each.startswith("table ")
    }
    kind, _, rest = name.partition(" ")
    owner = rest.partition(".")[0] if kind == "column" else rest.rpartition(" on ")[2]
    return kind != "table" and owner in missing_tables


def text_of(value: Any) -> str:
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
