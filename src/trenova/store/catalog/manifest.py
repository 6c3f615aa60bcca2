"""The description of a freshly migrated database, which comes with the program."""

import json
from functools import cache
from importlib.resources import files

from trenova.store.catalog.description import Description, Names

MANIFEST = "manifest.json"


@cache
def read_manifest() -> Description:
    description: Description = json.loads((files(__package__) / MANIFEST).read_text(encoding="utf-8"))
    return description


def names_in(description: Description) -> Names:
    """The names of the described objects: other objects of a database matter only where they touch these."""

    def of(kind: str) -> list[str]:
        return [name.removeprefix(f"{kind} ") for name in description if name.startswith(f"{kind} ")]

    return Names(
        tables=of("table"),
        indexes=[name.partition(" on ")[0] for name in of("index")],
        functions=[name.partition("(")[0] for name in of("function")],
        roles=of("role"),
    )


def text(description: Description) -> str:
    """The text of the file: one fact a line, in a stable order."""
    return json.dumps(description, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
