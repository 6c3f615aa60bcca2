"""Whether the objects of the database are still what the migrations made.

`manifest.json` describes a freshly migrated database; `make manifest` writes it. `description` reads the same from any
database, `comparison` names what is missing, changed, or not from a migration, and `check` does both.
"""

from trenova.store.catalog.check import check

__all__ = ["check"]
