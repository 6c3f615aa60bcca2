"""How long content is kept: policies, legal holds, and the removal of expired content.

Only the owner of the schema writes `policies` and `holds`, so that the application's role cannot decide what is kept.
`removal` goes through the ledgers in small transactions; the database itself decides what may be removed (the functions
of r0006_retention.sql). `records` appends the entry that reports a change, in the transaction of the change.
"""

from trenova.store.retention.holds import Hold, Holds
from trenova.store.retention.policies import Policies, Policy
from trenova.store.retention.removal import Removals

__all__ = ["Hold", "Holds", "Policies", "Policy", "Removals"]
