"""Trigger the schedules and wait for their runs."""

import asyncio
from dataclasses import dataclass

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent, WorkflowExecutionStartedEventAttributes
from temporalio.client import Client, ScheduleActionExecutionStartWorkflow, ScheduleHandle

from acceptance.encrypted import Site
from trenova.codec.key_usage.open_workflows import key_id_of
from trenova.domain.schedules import SCHEDULES
from waiting import LIMIT_S

FAILED, COMPLETED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED


@dataclass(frozen=True, slots=True)
class Run:
    """A run that has completed or failed."""

    started: WorkflowExecutionStartedEventAttributes
    completed: bool

    @property
    def result_under(self) -> str:
        """The key id of the previous run's result, which Temporal passed to this run; empty if it was not encrypted."""
        (payload,) = self.started.last_completion_result.payloads
        return key_id_of(payload)


async def run_schedules(site: Site, *, pause: bool = False) -> dict[str, Run]:
    """Trigger every schedule and return the finished runs by schedule name."""
    client = await site.temporal.client()
    runs = await asyncio.gather(*(run_schedule(client, name, pause=pause) for name in SCHEDULES))
    return dict(zip(SCHEDULES, runs, strict=True))


async def run_schedule(client: Client, name: str, *, pause: bool) -> Run:
    """A run that started after this call: Temporal skips a run while another one is open.

    With `pause` the schedule is paused first, so that no other run starts just before a test stops its worker.
    """
    handle = client.get_schedule_handle(name)
    if pause:
        await handle.pause()
    before = await latest_runs(handle)
    async with asyncio.timeout(LIMIT_S):
        while True:
            await handle.trigger()
            await asyncio.sleep(0.5)
            for run_id, workflow_id in (await latest_runs(handle)).items():
                if run_id not in before:
                    run = await wait_for_run(client, workflow_id, run_id)
                    # A second trigger may have started another run.
                    while (await handle.describe()).info.running_actions:  # noqa: ASYNC110 - no event for it
                        await asyncio.sleep(0.1)
                    return run


async def latest_runs(handle: ScheduleHandle) -> dict[str, str]:
    """The workflow ids of the latest runs, by run id."""
    actions = [run.action for run in (await handle.describe()).info.recent_actions]
    return {
        action.first_execution_run_id: action.workflow_id
        for action in actions
        if isinstance(action, ScheduleActionExecutionStartWorkflow)
    }


async def wait_for_run(client: Client, workflow_id: str, run_id: str) -> Run:
    events: list[HistoryEvent] = []
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    async for event in handle.fetch_history_events(wait_new_event=True):
        events.append(event)
        if event.event_type in {COMPLETED, FAILED}:
            break
    return Run(events[0].workflow_execution_started_event_attributes, events[-1].event_type == COMPLETED)
