"""Effects that workflows ask for. Methods of a class that is given its store, so that workflows can name them.

The workflow sandbox imports this package, so it must not import a database driver: the store is a Protocol here. May
import: domain, errors.
"""

from trenova.activities.audit import AuditActivities, BatchStore
from trenova.activities.dead_letters import DeadLetterActivities
from trenova.activities.reconciliation import ReconciliationActivities
from trenova.activities.retention import RetentionActivities
from trenova.activities.verification import VerificationActivities

__all__ = [
    "AuditActivities",
    "BatchStore",
    "DeadLetterActivities",
    "ReconciliationActivities",
    "RetentionActivities",
    "VerificationActivities",
]
