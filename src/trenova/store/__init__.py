"""Memory: PostgreSQL, where an entry is kept once and for ever.

`entries` appends and reads entries, `search` pages through them, `batches` knows what became of a batch, `api_keys` who
may ask, `migrate` brings the schema up to date. Longer SQL lies in `sql/`. May import: domain, config, errors.
"""

from trenova.store.database import Store

__all__ = ["Store"]
