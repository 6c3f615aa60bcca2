"""The store: PostgreSQL, where each entry is stored exactly once.

- Writing: `entries` stores batches through `appending`; `dead_letters` holds and retries what is parked; `records`
  appends changes beside the ledgers; `checkpoints` signs quiet ledgers again; `batches` says what became of a batch.
- Proving: `ledgers` reads checkpoints, tiles and entries, `proofs` makes proofs of them and `evidence` files;
  `cosignatures` and `checkpoint_conflicts` hold what witnesses answered; `verification` checks the stored ledgers.
- Reading: `search` pages through entries; `reconciliation` compares closed workflow runs with stored batches.
- Deciding: `retention` has policies, holds and removals; `api_keys` who may use the API.
- The database itself: `pool`, `sqlstates` and `connection_errors` for connections and errors, `schema`, `migrate` and
  `migrations`, `roles` and `logins`, `server_status`, `catalog` for what the migrations made. SQL is in `sql`.

May import: ledger, domain, config, tracing, threads, errors.
"""

from trenova.store.database import Store

__all__ = ["Store"]
