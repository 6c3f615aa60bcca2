"""Metrics of stuck runs of our schedules: later runs of such a schedule are skipped."""

from prometheus_client import Gauge
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode

from trenova.domain.schedules import SCHEDULES

EVERY_S = 30.0
# A task may fail once or twice on a machine that stalls, or while workers of two releases run.
STUCK_ATTEMPTS = 3
# One run of each at a time, and any that operators have triggered.
MAX_RUNS = 20
RUNNING = f"TemporalScheduledById IN ({', '.join(map(repr, SCHEDULES))}) AND ExecutionStatus = 'Running'"

STUCK = Gauge(
    "trenova_schedule_stuck", "1 while a run of this schedule is stuck: workers fail repeatedly", ["schedule"]
)
for each in SCHEDULES:
    STUCK.labels(schedule=each).set(0)


async def measure_stuck_schedules(client: Client) -> None:
    stuck = dict.fromkeys(SCHEDULES, False)
    async for run in client.list_workflows(RUNNING, limit=MAX_RUNS):
        run_is_stuck = await is_stuck(client, run)
        for name in SCHEDULES:
            stuck[name] |= run_is_stuck and run.id.startswith(f"{name}-")
    for name, value in stuck.items():
        STUCK.labels(schedule=name).set(value)


async def is_stuck(client: Client, run: WorkflowExecution) -> bool:
    """Whether workers fail repeatedly at the run, because a key is missing or the workflow is of another release."""
    try:
        description = await client.get_workflow_handle(run.id, run_id=run.run_id).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return False
    return description.raw_description.pending_workflow_task.attempt >= STUCK_ATTEMPTS
