"""The Temporal schedules. Every worker creates or updates them when it starts, and every ten minutes."""

import asyncio
from datetime import timedelta

import structlog
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError

from trenova.config import TASK_QUEUE
from trenova.workflows import (
    RECONCILE_SCHEDULE,
    RETENTION_SCHEDULE,
    RETRY_SCHEDULE,
    VERIFY_SCHEDULE,
    ReconcileWorkflow,
    RetentionWorkflow,
    RetryDeadLettersWorkflow,
    VerifyLogsWorkflow,
)

log = structlog.get_logger()

# Hours, in UTC.
REMOVE_AT, VERIFY_AT = 2, 3
RETRY_EVERY = RECONCILE_EVERY = timedelta(minutes=5)
CHECK_EVERY_S = 600.0


async def ensure_schedules(client: Client) -> None:
    """Create or update the schedules. One that an operator has paused stays paused.

    If the server does not allow it, only the scheduled workflows are missing: the worker goes on storing entries.
    """
    for name, schedule in all_schedules().items():
        try:
            await create_or_update(client, name, schedule)
        except RPCError as error:
            log.error("schedule not created", schedule=name, error=" ".join(str(error).split()))  # noqa: TRY400 - our stack adds nothing
        except Exception:  # whatever others have made of a schedule, the worker must not stop
            log.exception("schedule not created", schedule=name)


def all_schedules() -> dict[str, Schedule]:
    """The schedules by id. The workflows they start have the same ids."""
    starts = {
        RECONCILE_SCHEDULE: (
            ReconcileWorkflow,
            ScheduleSpec(intervals=[ScheduleIntervalSpec(every=RECONCILE_EVERY)]),
        ),
        RETENTION_SCHEDULE: (RetentionWorkflow, daily(REMOVE_AT)),
        RETRY_SCHEDULE: (
            RetryDeadLettersWorkflow,
            ScheduleSpec(intervals=[ScheduleIntervalSpec(every=RETRY_EVERY)]),
        ),
        VERIFY_SCHEDULE: (VerifyLogsWorkflow, daily(VERIFY_AT)),
    }
    return {
        name: Schedule(
            action=ScheduleActionStartWorkflow(workflow.__name__, id=name, task_queue=TASK_QUEUE),
            spec=spec,
            # If a run is still open when the next is due, the next one is skipped.
            policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP),
        )
        for name, (workflow, spec) in starts.items()
    }


def daily(hour: int) -> ScheduleSpec:
    """In the form in which the server returns it, so that `differences` can compare the two."""
    return ScheduleSpec(calendars=[ScheduleCalendarSpec(hour=(ScheduleRange(hour, hour, 1),))])


async def create_or_update(client: Client, name: str, schedule: Schedule) -> None:
    """Create the schedule, or update it if it differs. A new comparison of runs is started at once."""
    try:
        await client.create_schedule(name, schedule, trigger_immediately=name == RECONCILE_SCHEDULE)
    except ScheduleAlreadyRunningError:
        handle = client.get_schedule_handle(name)
        current = (await handle.describe()).schedule
        if changed := differences(current, schedule):
            log.warning("schedule updated", schedule=name, differed=changed)
            await handle.update(lambda update: update_keeping_pause(update, schedule))


def differences(current: Schedule, wanted: Schedule) -> list[str]:
    """The aspects in which a schedule differs from ours. Whether it is paused is up to an operator."""
    action, ours = current.action, wanted.action
    assert isinstance(ours, ScheduleActionStartWorkflow)
    same = {
        "what it starts": isinstance(action, ScheduleActionStartWorkflow)
        and (action.workflow, action.id, action.task_queue) == (ours.workflow, ours.id, ours.task_queue)
        and not (action.args or action.memo or action.execution_timeout or action.run_timeout or action.task_timeout),
        "when": current.spec == wanted.spec,
        "overlap": (current.policy.overlap, current.policy.pause_on_failure) == (wanted.policy.overlap, False),
        "limit of runs": not current.state.limited_actions,
    }
    return [aspect for aspect, is_same in same.items() if not is_same]


async def keep_schedules(client: Client) -> None:
    """Ensure the schedules until cancelled: anyone with access to the namespace can delete or change them."""
    while True:
        await ensure_schedules(client)
        await asyncio.sleep(CHECK_EVERY_S)


def update_keeping_pause(update: ScheduleUpdateInput, schedule: Schedule) -> ScheduleUpdate:
    """Keep the pause and its note. A limit of runs is dropped: once used up, it would end the schedule."""
    state = update.description.schedule.state
    schedule.state = ScheduleState(note=state.note, paused=state.paused)
    return ScheduleUpdate(schedule)
