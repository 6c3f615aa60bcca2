"""What Temporal starts by the clock. Every worker makes the schedules sure at its start."""

import structlog
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError

from trenova.config import TASK_QUEUE
from trenova.workflows import VERIFY_SCHEDULE, VerifyLogsWorkflow

log = structlog.get_logger()

AT = "0 3 * * *"  # UTC


async def ensure(client: Client) -> None:
    """Create the schedules, or bring them up to date. One that an operator has paused stays paused.

    A server that refuses costs the nightly checks, not the entries: the worker works on without.
    """
    try:
        await put(client, VERIFY_SCHEDULE, nightly())
    except RPCError as error:
        log.error("schedule not made", schedule=VERIFY_SCHEDULE, error=" ".join(str(error).split()))  # noqa: TRY400 - its words, not our stack


def nightly() -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(VerifyLogsWorkflow.run, id=VERIFY_SCHEDULE, task_queue=TASK_QUEUE),
        spec=ScheduleSpec(cron_expressions=[AT]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP),
    )


async def put(client: Client, name: str, schedule: Schedule) -> None:
    try:
        await client.create_schedule(name, schedule)
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(name).update(lambda found: kept_state(found, schedule))


def kept_state(found: ScheduleUpdateInput, schedule: Schedule) -> ScheduleUpdate:
    schedule.state = found.description.schedule.state
    return ScheduleUpdate(schedule)
