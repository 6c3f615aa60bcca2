"""What Temporal starts by the clock for us: the ids of the schedules, and which workflows are theirs."""

RECONCILE_SCHEDULE = "trenova-reconcile"
RETENTION_SCHEDULE = "trenova-retention"
RETRY_SCHEDULE = "trenova-retry-dead-letters"
VERIFY_SCHEDULE = "trenova-verify"
SCHEDULES = (RECONCILE_SCHEDULE, RETENTION_SCHEDULE, RETRY_SCHEDULE, VERIFY_SCHEDULE)


def is_scheduled(workflow_id: str) -> bool:
    """Whether a workflow of this id is a run of one of our schedules: Temporal adds the time to the schedule's own."""
    return any(workflow_id == name or workflow_id.startswith(f"{name}-") for name in SCHEDULES)
