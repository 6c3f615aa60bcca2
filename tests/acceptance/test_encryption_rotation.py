"""The documented key rotation, in its four steps, while entries are sent and read continuously.

The steps, and the commands between them, are those of docs/encryption.md.
"""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest

from acceptance.conftest import entry_of
from acceptance.encrypted import Program, Site, encrypting, new_key, start_site
from acceptance.schedule_runs import run_schedules
from conftest import new_tenant
from trenova.cli.keys_check import CHECKED_IN_PART
from trenova.codec.key_usage import closed_workflows, schedules
from trenova.codec.key_usage.open_workflows import payloads_by_key_id, read_events
from trenova.dev.postgres import Postgres
from trenova.domain.batch import workflow_id
from trenova.domain.schedules import VERIFY_SCHEDULE
from waiting import LIMIT_S, becomes, pauses

pytestmark = pytest.mark.long

WRITERS = 2
# Entries and reads between two steps: enough that each step meets work of the previous one.
ENTRIES_PER_STEP = 5
# Slow enough that this load alone does not saturate a busy machine.
PACE_S = 1.0


@dataclass
class Traffic:
    """Writers and a reader that never stop; `batches` maps every acknowledged entry to its batch."""

    client: httpx.AsyncClient
    tenant: str = field(default_factory=new_tenant)
    batches: dict[str, str] = field(default_factory=dict)
    reads: int = 0

    async def write(self) -> None:
        while True:
            entry = {**entry_of(comment="x" * 500), "id": str(uuid.uuid4()), "tenant": self.tenant}
            answer = await self.ask("POST", "/v1/entries", json=entry)
            assert answer.status_code == 202, answer.text
            self.batches[entry["id"]] = answer.json()["batch_id"]
            await asyncio.sleep(PACE_S)

    async def read(self) -> None:
        """Read states of batches, which for an open workflow come from its payloads."""
        while True:
            if self.batches:
                batch_id = random.choice([*self.batches.values()][-2 * ENTRIES_PER_STEP :])
                answer = await self.ask("GET", f"/v1/batches/{batch_id}")
                assert answer.status_code == 200, answer.text
                self.reads += 1
            await asyncio.sleep(PACE_S)

    async def ask(self, method: str, path: str, **content: Any) -> httpx.Response:
        """Send a request and return the answer; retried while the API restarts."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                try:
                    answer = await self.client.request(method, path, **content)
                except httpx.TransportError:
                    await asyncio.sleep(PACE_S)
                    continue
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    return answer
                await asyncio.sleep(PACE_S)

    async def wait_for_more(self) -> None:
        """Return once `ENTRIES_PER_STEP` more entries are acknowledged and as many batches read."""
        entries, reads = len(self.batches) + ENTRIES_PER_STEP, self.reads + ENTRIES_PER_STEP
        async with asyncio.timeout(LIMIT_S):
            while len(self.batches) < entries or self.reads < reads:  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(PACE_S)

    async def stored_ids(self) -> list[str]:
        found: list[str] = []
        params: dict[str, str] | None = {"tenant": self.tenant, "limit": "1000"}
        while params is not None:
            page = (await self.ask("GET", "/v1/entries", params=params)).json()
            found += [entry["id"] for entry in page["entries"]]
            params = {**params, "cursor": page["next_cursor"]} if page["next_cursor"] else None
        return found


@asynccontextmanager
async def run_traffic(client: httpx.AsyncClient) -> AsyncIterator[Traffic]:
    """Run traffic within the block; an error of a writer or the reader ends the test."""
    traffic = Traffic(client)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(traffic.write()) for _ in range(WRITERS)]
        tasks.append(group.create_task(traffic.read()))
        yield traffic
        for task in tasks:
            task.cancel()


async def restart_programs(site: Site, running: dict[str, Program], variables: dict[str, str]) -> None:
    """Restart one program after the other, so that for a while their keys differ."""
    for name in ("worker", "api"):
        await running[name].stop()
        running[name] = await site.start(name, variables)


async def count_needs(site: Site, variables: dict[str, str]) -> dict[str, int]:
    """The number of open workflows by the key that they need, from `trenova keys check`."""
    ended = await site.command("keys", "check", "--json", **variables)
    # On a busy machine the check of closed workflows may be incomplete.
    assert ended.exit_code in {0, CHECKED_IN_PART}, ended
    report = ended.json["open_workflows"]
    assert report["complete"], report
    assert report["unreadable"] == {}
    found: dict[str, int] = report["by_key_id"]
    return found


async def wait_until_needed(site: Site, key_ids: set[str], variables: dict[str, str]) -> None:
    """Return once open workflows need all of these keys; Temporal lists open workflows with a delay."""

    async def are_needed() -> bool:
        return key_ids <= (await count_needs(site, variables)).keys()

    await becomes(are_needed)


async def wait_until_unneeded(site: Site, key_id: str, variables: dict[str, str]) -> None:
    async def is_unneeded() -> bool:
        return key_id not in await count_needs(site, variables)

    await becomes(is_unneeded)


async def check_old_key(site: Site, variables: dict[str, str]) -> tuple[int, Any, list[dict[str, Any]]]:
    """The exit code of `keys check`, whether the old key is needed, and by what."""
    ended = await site.command("keys", "check", "--json", **variables)
    (old,) = (key for key in ended.json["keys"] if key["id"] == "old")
    return ended.exit_code, old["needed"], old["needed_by"]


async def remove_closed_workflows(site: Site, variables: dict[str, str]) -> None:
    """Remove closed workflows, as Temporal does after its retention, until nothing needs the old key."""
    client = await site.temporal.client()
    for pause in pauses():
        if await check_old_key(site, variables) == (0, None, []):
            return
        async for run in client.list_workflows("CloseTime IS NOT NULL"):
            if "old" in payloads_by_key_id(await read_events(client, run.id, run.run_id)):
                which = WorkflowExecution(workflow_id=run.id, run_id=run.run_id)
                deletion = DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=which)
                await client.workflow_service.delete_workflow_execution(deletion)
        await asyncio.sleep(pause)


async def wait_until_none_open(site: Site, variables: dict[str, str]) -> None:
    async def is_none_open() -> bool:
        return not await count_needs(site, variables)

    await becomes(is_none_open)


async def key_ids_of_batch(site: Site, batch_id: str) -> set[str]:
    client = await site.temporal.client()
    execution = await client.get_workflow_handle(workflow_id(batch_id)).describe()
    return {*payloads_by_key_id(await read_events(client, execution.id, execution.run_id))}


async def test_the_key_is_rotated_in_four_steps_without_a_failed_request(folder: Path, postgres: Postgres) -> None:
    old, new = new_key(), new_key()
    before, added = encrypting("old", old=old), encrypting("old", old=old, new=new)
    switched, dropped = encrypting("new", old=old, new=new), encrypting("new", new=new)
    async with start_site(folder, postgres) as site, site.client() as client:
        running = {name: await site.start(name, before) for name in ("api", "worker")}
        try:
            async with run_traffic(client) as traffic:
                await traffic.wait_for_more()
                await run_schedules(site)

                # Step 1: every program can decrypt with the new key, and none encrypts with it.
                await restart_programs(site, running, added)
                await traffic.wait_for_more()

                # Step 2: the new key encrypts, while workflows that need the old one are still open.
                await running["worker"].stop()
                await traffic.wait_for_more()
                await wait_until_needed(site, {"old"}, added)
                await running["api"].stop()
                running["api"] = await site.start("api", switched)
                await traffic.wait_for_more()
                await wait_until_needed(site, {"old", "new"}, switched)
                running["worker"] = await site.start("worker", switched)

                # Step 3: soon no open workflow needs the old key; closed ones need it as long as Temporal keeps them.
                await wait_until_unneeded(site, "old", switched)
                _, needed_at_all, by = await check_old_key(site, switched)
                assert needed_at_all is True
                assert {each["what"] for each in by} <= {closed_workflows.NAME, schedules.RESULTS}
                assert all(each["until"] for each in by)
                await run_schedules(site)
                ended = await site.command("reconcile", **switched, TRENOVA_DATABASE__URL=site.database_urls["worker"])
                assert ended.exit_code == 0, ended
                await remove_closed_workflows(site, switched)

                # Step 4: the old key is removed.
                await restart_programs(site, running, dropped)
                await traffic.wait_for_more()
                runs = await run_schedules(site)
                assert all(run.completed for name, run in runs.items() if name != VERIFY_SCHEDULE)
                assert (await client.get("/readyz")).status_code == httpx.codes.OK
                assert "trenova_keys_wrong 0.0" in (await client.get("/metrics")).text

            await wait_until_none_open(site, dropped)
            found = await traffic.stored_ids()
            assert len(found) == len(set(found))
            assert traffic.batches.keys() <= set(found)
            batches = [*traffic.batches.values()]
            assert await key_ids_of_batch(site, batches[-1]) == {"new"}
        finally:
            for program in running.values():
                await program.stop()
