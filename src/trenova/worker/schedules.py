"""What Temporal starts by the clock. Every worker makes the schedules sure at its start."""

from datetime import timedelta

import structlog
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError

from trenova.config import TASK_QUEUE
from trenova.workflows import (
    RETENTION_SCHEDULE,
    RETRY_SCHEDULE,
    VERIFY_SCHEDULE,
    RetentionWorkflow,
    RetryDeadLettersWorkflow,
    VerifyLogsWorkflow,
)

log = structlog.get_logger()

# UTC
REMOVE_AT, VERIFY_AT = "0 2 * * *", "0 3 * * *"
RETRY_EVERY = timedelta(minutes=5)


async def ensure(client: Client) -> None:
    """Create the schedules, or bring them up to date. One that an operator has paused stays paused.

    A server that refuses costs what they start, not the entries: the worker works on without.
    """
    for name, schedule in all_schedules().items():
        try:
            await put(client, name, schedule)
        except RPCError as error:
            log.error("schedule not made", schedule=name, error=" ".join(str(error).split()))  # noqa: TRY400 - its words, not our stack


def all_schedules() -> dict[str, Schedule]:
    """By their ids, which the workflows they start have too."""
    starts = {
        RETENTION_SCHEDULE: (RetentionWorkflow, ScheduleSpec(cron_expressions=[REMOVE_AT])),
        RETRY_SCHEDULE: (
            RetryDeadLettersWorkflow,
            ScheduleSpec(intervals=[ScheduleIntervalSpec(every=RETRY_EVERY)]),
        ),
        VERIFY_SCHEDULE: (VerifyLogsWorkflow, ScheduleSpec(cron_expressions=[VERIFY_AT])),
    }
    return {
        name: Schedule(
            action=ScheduleActionStartWorkflow(workflow.__name__, id=name, task_queue=TASK_QUEUE),
            spec=spec,
            # A run that has not ended when the next is due is left to end.
            policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP),
        )
        for name, (workflow, spec) in starts.items()
    }


async def put(client: Client, name: str, schedule: Schedule) -> None:
    try:
        await client.create_schedule(name, schedule)
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(name).update(lambda found: kept_state(found, schedule))


def kept_state(found: ScheduleUpdateInput, schedule: Schedule) -> ScheduleUpdate:
    schedule.state = found.description.schedule.state
    return ScheduleUpdate(schedule)
