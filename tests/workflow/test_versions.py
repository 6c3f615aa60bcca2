"""Two releases side by side: Temporal gives work to the version that an operator has made current."""

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType

import prepared
from conftest import GENEROUS_S
from trenova.config import TASK_QUEUE, Settings
from trenova.worker import process
from trenova.worker.polls import wait_for_polls
from waiting import becomes, pauses
from workflow.outage import Handle, Servers, open_servers, wait_until_scheduled, wait_until_waiting

DEPLOYMENT = "trenova"


@pytest.fixture
async def servers(folder: Path) -> AsyncIterator[Servers]:
    async with open_servers(prepared.prepare(folder / f"versions-{uuid.uuid4()}")) as servers:
        yield servers


def release(servers: Servers, build_id: str) -> Servers:
    """The same servers for a worker of this version."""
    worker = servers.settings.worker.model_copy(update={"deployment_name": DEPLOYMENT, "build_id": build_id})
    return replace(servers, settings=servers.settings.model_copy(update={"worker": worker}))


async def make_current(servers: Servers, build_id: str) -> None:
    """Make this version current as an operator does; Temporal rejects it until its workers have polled."""
    command = (
        *("worker", "deployment", "set-current-version", "--yes", "--address", servers.settings.temporal.host_port),
        *("--deployment-name", DEPLOYMENT, "--build-id", build_id),
    )

    async def is_accepted() -> bool:
        command_process = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("temporal"),
            *command,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        return await command_process.wait() == 0

    await becomes(is_accepted)


async def versions_of(handle: Handle) -> set[str]:
    """The versions of the workers that completed the workflow's tasks; empty for workers without a version."""
    history = await handle.fetch_history()
    done = [each for each in history.events if each.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED]
    return {each.workflow_task_completed_event_attributes.deployment_version.build_id for each in done}


async def test_new_batches_go_to_the_current_version(servers: Servers, tenant: str) -> None:
    old, new = release(servers, "1.0"), release(servers, "1.1")
    async with old.worker(), new.worker(), asyncio.timeout(GENEROUS_S):
        await wait_for_polls(servers.client, TASK_QUEUE)
        batches = 0
        for build_id in ("1.0", "1.1", "1.0"):
            await make_current(servers, build_id)
            # It takes the server a moment to inform all partitions of the queue.
            for pause in pauses():
                handle = await servers.start(tenant)
                assert (await handle.result()).stored == 3
                batches += 1
                if await versions_of(handle) == {build_id}:
                    break
                await asyncio.sleep(pause)
    await servers.check_stored_once(tenant, 3 * batches)


async def test_batches_that_wait_for_the_database_move_to_the_new_version_so_old_workers_can_stop(
    servers: Servers, tenant: str
) -> None:
    old, new = release(servers, "1.0"), release(servers, "1.1")
    async with asyncio.timeout(GENEROUS_S):
        async with old.worker():
            await make_current(servers, "1.0")
            servers.network.mode = "refuse"
            waiting = [await servers.start(tenant) for _ in range(20)]
            for handle in waiting:
                await wait_until_scheduled(handle)
            await wait_until_waiting(*waiting)
        async with new.worker():
            await make_current(servers, "1.1")
            servers.network.mode = "pass"
            assert sum([(await handle.result()).stored for handle in waiting]) == 60
            assert await versions_of(waiting[-1]) == {"1.0", "1.1"}
    await servers.check_stored_once(tenant, 60)


async def test_batches_of_workers_without_a_version_move_to_the_one_that_is_made_current(
    servers: Servers, tenant: str
) -> None:
    async with asyncio.timeout(GENEROUS_S):
        servers.network.mode = "refuse"
        async with servers.worker():
            waiting = await servers.start(tenant)
            await wait_until_waiting(waiting)
        async with release(servers, "1.1").worker():
            await make_current(servers, "1.1")
            servers.network.mode = "pass"
            assert (await waiting.result()).stored == 3
            assert await versions_of(waiting) == {"", "1.1"}


def test_without_a_deployment_name_workers_have_no_version() -> None:
    assert process.deployment_config_of(Settings().worker) is None
