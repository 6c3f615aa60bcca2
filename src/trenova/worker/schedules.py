"""What Temporal starts by the clock. Every worker sees to the schedules when it starts, and every ten minutes."""

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
    """Create the schedules, or bring them up to date. One that an operator has paused stays paused.

    A server that refuses costs what they start, not the entries: the worker works on without.
    """
    for name, schedule in all_schedules().items():
        try:
            await create_or_update(client, name, schedule)
        except RPCError as error:
            log.error("schedule not made", schedule=name, error=" ".join(str(error).split()))  # noqa: TRY400 - its words, not our stack


def all_schedules() -> dict[str, Schedule]:
    """By their ids, which the workflows they start have too."""
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
            # A run that has not ended when the next is due is left to end.
            policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP),
        )
        for name, (workflow, spec) in starts.items()
    }


def daily(hour: int) -> ScheduleSpec:
    """As the server answers it, so that one that was changed can be told by comparison."""
    return ScheduleSpec(calendars=[ScheduleCalendarSpec(hour=(ScheduleRange(hour, hour, 1),))])


async def create_or_update(client: Client, name: str, schedule: Schedule) -> None:
    """Make it, and run it at once; or bring it up to date."""
    try:
        await client.create_schedule(name, schedule, trigger_immediately=name == RECONCILE_SCHEDULE)
    except ScheduleAlreadyRunningError:
        handle = client.get_schedule_handle(name)
        found = (await handle.describe()).schedule
        if changed := differences(found, schedule):
            log.warning("schedule brought up to date", schedule=name, differed=changed)
            await handle.update(lambda found: update_keeping_pause(found, schedule))


def differences(found: Schedule, wanted: Schedule) -> list[str]:
    """In what a schedule is not as it is made here. That it is paused is an operator's business."""
    action, ours = found.action, wanted.action
    assert isinstance(ours, ScheduleActionStartWorkflow)
    same = {
        "what it starts": isinstance(action, ScheduleActionStartWorkflow)
        and (action.workflow, action.id, action.task_queue) == (ours.workflow, ours.id, ours.task_queue)
        and not (action.args or action.memo or action.execution_timeout or action.run_timeout or action.task_timeout),
        "when": found.spec == wanted.spec,
        "overlap": (found.policy.overlap, found.policy.pause_on_failure) == (wanted.policy.overlap, False),
        "limit of runs": not found.state.limited_actions,
    }
    return [what for what, is_same in same.items() if not is_same]


async def keep_schedules(client: Client) -> None:
    """See to the schedules now and again and again: whoever has access to the namespace can delete or change them."""
    while True:
        await ensure_schedules(client)
        await asyncio.sleep(CHECK_EVERY_S)


def update_keeping_pause(found: ScheduleUpdateInput, schedule: Schedule) -> ScheduleUpdate:
    """Nothing else of its state: with a limit of runs it would have no more of them once those are used up."""
    state = found.description.schedule.state
    schedule.state = ScheduleState(note=state.note, paused=state.paused)
    return ScheduleUpdate(schedule)
