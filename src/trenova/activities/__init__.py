"""The activities of the workflows: methods of classes that hold their store, so that workflows can name them.

Workflow modules import this package, so it must not import a database driver: stores are Protocols here. May import:
domain, errors.
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
