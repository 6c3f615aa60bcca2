"""Order: deterministic workflows that name the activities and nothing else.

May import: activities, domain. What they import passes through Temporal's sandbox unchanged.
"""

from trenova.workflows.audit_batch import ProcessAuditBatchWorkflow

__all__ = ["ProcessAuditBatchWorkflow"]
