"""The workflows: deterministic code that calls activities and nothing else.

May import: activities, domain, errors. These imports pass through Temporal's sandbox unchanged.
"""

from trenova.domain.schedules import RECONCILE_SCHEDULE, RETENTION_SCHEDULE, RETRY_SCHEDULE, VERIFY_SCHEDULE
from trenova.workflows.audit_batch import ProcessAuditBatchWorkflow
from trenova.workflows.reconcile import ReconcileWorkflow
from trenova.workflows.retention import RetentionWorkflow
from trenova.workflows.retry_dead_letters import RetryDeadLettersWorkflow
from trenova.workflows.verify_logs import VerifyLogsWorkflow

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
