"""Whether the database's own description of our objects is what the migrations made.

`manifest.json` is that description of a freshly migrated database, as `make manifest` writes it. `description` reads
the same from any database, and `comparison` names what is missing, changed, or there without a migration. `check` does
both.
"""

from trenova.store.catalog.check import check

__all__ = ["check"]
