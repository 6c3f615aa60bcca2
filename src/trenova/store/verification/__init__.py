"""Checking the logs where they lie: every row, tile, head and checkpoint, against each other and against the keys.

`verifier` goes through the logs in one snapshot and spreads stretches of them over processes. Each reads its rows
itself (`stretch`) and checks them against their tiles (`rows`). `log` puts together what they found: upper tiles, head,
the root at the size of every checkpoint, and whether the log tells of what was removed (`removals`).
`walks` reads the entries through each index, `beside` looks at the tables beside the logs, and `told` at policies and
holds, which must be told of in them.
"""

from trenova.store.verification.stretch import Claim
from trenova.store.verification.verifier import KeysOf, Verifier, claim
from trenova.store.verification.workers import processes

__all__ = ["Claim", "KeysOf", "Verifier", "claim", "processes"]
