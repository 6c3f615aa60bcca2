"""How long content is kept: policies, legal holds, and the removal of what is past both.

`policies` and `holds` are written by the owner of the schema only, so that who has the application's role cannot decide
what is kept. `removal` goes through the logs in small transactions; the database itself decides what may go (the
functions of r0006_retention.sql). `records` appends the entry that tells of a change, in the change's own transaction.
"""

from trenova.store.retention.holds import Hold, Holds
from trenova.store.retention.policies import Policies, Policy
from trenova.store.retention.removal import Removals

__all__ = ["Hold", "Holds", "Policies", "Policy", "Removals"]
