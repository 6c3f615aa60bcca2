"""A stuck run of a schedule is on the metrics page, whatever the cause."""

import asyncio
import uuid
from pathlib import Path

from prometheus_client import REGISTRY
from temporalio import workflow
from temporalio.client import Schedule, ScheduleActionStartWorkflow, ScheduleSpec
from temporalio.worker import Worker

from conftest import GENEROUS_S
from trenova.api.stuck_schedules import measure_stuck_schedules
from trenova.config import TASK_QUEUE
from trenova.dev.temporal import Temporal
from trenova.domain.schedules import RETENTION_SCHEDULE, SCHEDULES


@workflow.defn(name="Another", sandboxed=False)
class Another:
    @workflow.run
    async def run(self) -> None:
        return None


def stuck_schedules() -> set[str]:
    return {name for name in SCHEDULES if REGISTRY.get_sample_value("trenova_schedule_stuck", {"schedule": name})}


async def test_a_schedule_is_stuck_from_repeated_failures_until_its_run_closes(folder: Path) -> None:
    async with Temporal(folder / f"stuck-{uuid.uuid4().hex[:8]}").running() as temporal:
        client = await temporal.client()
        started = ScheduleActionStartWorkflow("Retention", id=RETENTION_SCHEDULE, task_queue=TASK_QUEUE)
        handle = await client.create_schedule(RETENTION_SCHEDULE, Schedule(action=started, spec=ScheduleSpec()))
        # A worker of a release without this workflow fails its tasks repeatedly.
        async with Worker(client, task_queue=TASK_QUEUE, workflows=[Another]):
            await measure_stuck_schedules(client)
            assert stuck_schedules() == set()
            await handle.trigger()
            async with asyncio.timeout(GENEROUS_S):
                while stuck_schedules() != {RETENTION_SCHEDULE}:
                    await asyncio.sleep(0.5)
                    await measure_stuck_schedules(client)
                (run,) = [run async for run in client.list_workflows(f"TemporalScheduledById = '{RETENTION_SCHEDULE}'")]
                await client.get_workflow_handle(run.id).terminate()
                while stuck_schedules():
                    await asyncio.sleep(0.5)
                    await measure_stuck_schedules(client)
