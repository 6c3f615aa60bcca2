"""Checking the stored ledgers: every row, tile, head and checkpoint, against each other and against the keys.

`verifier` goes through the ledgers in one snapshot and spreads stretches of them over processes. Each process reads its
rows itself (`stretch`) and checks them against their tiles (`rows`). `ledger` puts the results together: upper tiles,
head, the root at the size of every checkpoint, and whether the ledger reports what was removed (`removals`).
`cosigned` compares cosignatures, `walks` reads the entries through each index, and `side_tables` checks the tables
beside the ledgers: `retention_entries` and `changes` say which entries must report policies, holds, keys and edits.
"""

from trenova.store.verification.stretch import Claim
from trenova.store.verification.verifier import KeysOf, Verifier, claim
from trenova.store.verification.workers import processes

__all__ = ["Claim", "KeysOf", "Verifier", "claim", "processes"]
