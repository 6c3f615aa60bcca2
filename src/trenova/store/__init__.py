"""Memory: PostgreSQL, where an entry is kept once and for ever.

`entries` appends entries (`rows`) to the logs and grows their trees (`trees`), `checkpoints` signs quiet logs anew,
`cosignatures` keeps what witnesses say of them, `logs` reads what proofs are made of, `proofs` makes them, `evidence`
makes files of them, `verification` checks the logs where they lie, `search` pages through entries, `batches` knows what
became of a batch, `retention` what must go and what must stay, `api_keys` who may ask, `schema` tells which one is
there, `migrate` brings it up to date. Longer SQL lies in `sql/`. May import:
ledger, domain, config, errors.
"""

from trenova.store.database import Store

__all__ = ["Store"]
