"""Memory: PostgreSQL, where an entry is kept once and for ever.

`entries` appends entries (`rows`) to the logs and grows their trees (`trees`), `checkpoints` signs quiet logs anew,
`logs` reads what proofs are made of, `evidence` makes files of it, `verification` checks the logs where they lie,
`search` pages through entries, `batches` knows what became of a batch, `api_keys` who may ask, `migrate` brings the
schema up to date. Longer SQL lies in `sql/`. May import: ledger, domain, config, errors.
"""

from trenova.store.database import Store

__all__ = ["Store"]
