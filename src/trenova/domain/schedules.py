"""The ids of our Temporal schedules, and which workflows are theirs."""

RECONCILE_SCHEDULE = "trenova-reconcile"
RETENTION_SCHEDULE = "trenova-retention"
RETRY_SCHEDULE = "trenova-retry-dead-letters"
VERIFY_SCHEDULE = "trenova-verify"
SCHEDULES = (RECONCILE_SCHEDULE, RETENTION_SCHEDULE, RETRY_SCHEDULE, VERIFY_SCHEDULE)


def is_scheduled(workflow_id: str) -> bool:
    """Whether this is the id of a run of one of our schedules: Temporal appends the time to the schedule's id."""
    return any(workflow_id == name or workflow_id.startswith(f"{name}-") for name in SCHEDULES)
