"""The description of a freshly migrated database, as it is kept with the program."""

import json
from functools import cache
from importlib.resources import files

from trenova.store.catalog.description import Description, Names

MANIFEST = "manifest.json"


@cache
def expected() -> Description:
    described: Description = json.loads((files(__package__) / MANIFEST).read_text(encoding="utf-8"))
    return described


def names_in(description: Description) -> Names:
    """The names of what is described: what else there is in a database is of interest where it touches these."""

    def of(kind: str) -> list[str]:
        return [name.removeprefix(f"{kind} ") for name in description if name.startswith(f"{kind} ")]

    return Names(
        tables=of("table"),
        indexes=[name.partition(" on ")[0] for name in of("index")],
        functions=[name.partition("(")[0] for name in of("function")],
        roles=of("role"),
    )


def text(description: Description) -> str:
    """As the file holds it: one fact a line, in an order that does not change."""
    return json.dumps(description, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
