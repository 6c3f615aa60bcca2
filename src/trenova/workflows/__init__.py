"""Order: deterministic workflows that name the activities and nothing else.

May import: activities, domain. What they import passes through Temporal's sandbox unchanged.
"""

from trenova.workflows.audit_batch import ProcessAuditBatchWorkflow
from trenova.workflows.reconcile import RECONCILE_SCHEDULE, ReconcileWorkflow
from trenova.workflows.retention import RETENTION_SCHEDULE, RetentionWorkflow
from trenova.workflows.retry_dead_letters import RETRY_SCHEDULE, RetryDeadLettersWorkflow
from trenova.workflows.verify_logs import VERIFY_SCHEDULE, VerifyLogsWorkflow

__all__ = [
    "RECONCILE_SCHEDULE",
    "RETENTION_SCHEDULE",
    "RETRY_SCHEDULE",
    "VERIFY_SCHEDULE",
    "ProcessAuditBatchWorkflow",
    "ReconcileWorkflow",
    "RetentionWorkflow",
    "RetryDeadLettersWorkflow",
    "VerifyLogsWorkflow",
]
