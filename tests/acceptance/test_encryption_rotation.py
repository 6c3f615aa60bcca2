"""The documented change of the key, in its four steps, while entries are sent and read all the time.

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

from acceptance.conftest import LIMIT_S, entry_of
from acceptance.encrypted import Program, Site, encrypting, new_key, start_site
from acceptance.schedule_runs import run_schedules
from conftest import new_tenant
from trenova.cli.keys_check import CHECKED_IN_PART
from trenova.codec.key_usage import closed_workflows, schedules
from trenova.codec.key_usage.open_workflows import payloads_by_key_id, read_events
from trenova.dev.postgres import Postgres
from trenova.domain.batch import workflow_id
from trenova.domain.schedules import VERIFY_SCHEDULE

pytestmark = pytest.mark.long

WRITERS = 2
# So many between two steps, that each step meets work of the one before.
SOME = 5
# Slow enough that a busy machine is not busy with this alone.
PACE_S = 1.0


@dataclass
class Traffic:
    """Writers and a reader that never stop; `batches` has every acknowledged entry with its batch."""

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
        """States of batches, which for an open workflow are read out of its payloads."""
        while True:
            if self.batches:
                batch_id = random.choice([*self.batches.values()][-2 * SOME :])
                answer = await self.ask("GET", f"/v1/batches/{batch_id}")
                assert answer.status_code == 200, answer.text
                self.reads += 1
            await asyncio.sleep(PACE_S)

    async def ask(self, method: str, path: str, **content: Any) -> httpx.Response:
        """The answer, asked for again while the API restarts."""
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

    async def some_more(self) -> None:
        """Return when so many entries more are acknowledged and as many batches more were read."""
        entries, reads = len(self.batches) + SOME, self.reads + SOME
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
async def flowing(client: httpx.AsyncClient) -> AsyncIterator[Traffic]:
    """Traffic; whatever one of its parts meets ends the test."""
    traffic = Traffic(client)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(traffic.write()) for _ in range(WRITERS)]
        tasks.append(group.create_task(traffic.read()))
        yield traffic
        for task in tasks:
            task.cancel()


async def restart_programs(site: Site, running: dict[str, Program], variables: dict[str, str]) -> None:
    """Each program in turn, so that for a while they differ."""
    for name in ("worker", "api"):
        await running[name].stop()
        running[name] = await site.start(name, variables)


async def count_needs(site: Site, variables: dict[str, str]) -> dict[str, int]:
    """What `trenova keys check` says open workflows need."""
    ended = await site.command("keys", "check", "--json", **variables)
    # A busy machine may not tell of everything that is closed.
    assert ended.exit_code in {0, CHECKED_IN_PART}, ended
    report = ended.json["open_workflows"]
    assert report["complete"], report
    assert report["unreadable"] == {}
    found: dict[str, int] = report["by_key_id"]
    return found


async def come_to_be_needed(site: Site, key_ids: set[str], variables: dict[str, str]) -> None:
    """Return when open workflows need all of these keys; Temporal lists what is open a moment later."""
    async with asyncio.timeout(LIMIT_S):
        while not key_ids <= (await count_needs(site, variables)).keys():
            pass


async def no_longer_needed(site: Site, key_id: str, variables: dict[str, str]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while key_id in await count_needs(site, variables):
            pass


async def keys_check(site: Site, variables: dict[str, str]) -> tuple[int, Any, list[dict[str, Any]]]:
    """Its exit code, and what it says of the old key: whether it is needed, and by what."""
    ended = await site.command("keys", "check", "--json", **variables)
    (old,) = (key for key in ended.json["keys"] if key["id"] == "old")
    return ended.exit_code, old["needed"], old["needed_by"]


async def forget_closed(site: Site, variables: dict[str, str]) -> None:
    """What Temporal does when the retention is over: remove closed workflows, until nothing needs the old key."""
    client = await site.temporal.client()
    async with asyncio.timeout(LIMIT_S):
        while await keys_check(site, variables) != (0, None, []):
            async for run in client.list_workflows("CloseTime IS NOT NULL"):
                if "old" in payloads_by_key_id(await read_events(client, run.id, run.run_id)):
                    which = WorkflowExecution(workflow_id=run.id, run_id=run.run_id)
                    gone = DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=which)
                    await client.workflow_service.delete_workflow_execution(gone)


async def nothing_open(site: Site, variables: dict[str, str]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while await count_needs(site, variables):
            pass


async def key_ids_of_batch(site: Site, batch_id: str) -> set[str]:
    client = await site.temporal.client()
    execution = await client.get_workflow_handle(workflow_id(batch_id)).describe()
    return {*payloads_by_key_id(await read_events(client, execution.id, execution.run_id))}


async def test_the_key_is_changed_in_four_steps_and_nobody_notices(folder: Path, postgres: Postgres) -> None:
    old, new = new_key(), new_key()
    before, added = encrypting("old", old=old), encrypting("old", old=old, new=new)
    switched, dropped = encrypting("new", old=old, new=new), encrypting("new", new=new)
    async with start_site(folder, postgres) as site, site.client() as client:
        running = {name: await site.start(name, before) for name in ("api", "worker")}
        try:
            async with flowing(client) as traffic:
                await traffic.some_more()
                await run_schedules(site)

                # Step 1: everybody can read the new key, and nobody uses it.
                await restart_programs(site, running, added)
                await traffic.some_more()

                # Step 2: the new key encrypts. Work under the old one is still open when it does.
                await running["worker"].stop()
                await traffic.some_more()
                await come_to_be_needed(site, {"old"}, added)
                await running["api"].stop()
                running["api"] = await site.start("api", switched)
                await traffic.some_more()
                await come_to_be_needed(site, {"old", "new"}, switched)
                running["worker"] = await site.start("worker", switched)

                # Step 3: nothing open needs the old key soon, closed workflows for as long as Temporal keeps them.
                await no_longer_needed(site, "old", switched)
                _, needed_at_all, by = await keys_check(site, switched)
                assert needed_at_all is True
                assert {each["what"] for each in by} <= {closed_workflows.NAME, schedules.RESULTS}
                assert all(each["until"] for each in by)
                await run_schedules(site)
                ended = await site.command("reconcile", **switched, TRENOVA_DATABASE__URL=site.database_urls["worker"])
                assert ended.exit_code == 0, ended
                await forget_closed(site, switched)

                # Step 4: the old key goes.
                await restart_programs(site, running, dropped)
                await traffic.some_more()
                runs = await run_schedules(site)
                assert all(run.completed for name, run in runs.items() if name != VERIFY_SCHEDULE)
                assert (await client.get("/readyz")).status_code == httpx.codes.OK
                assert "trenova_keys_wrong 0.0" in (await client.get("/metrics")).text

            await nothing_open(site, dropped)
            found = await traffic.stored_ids()
            assert len(found) == len(set(found))
            assert traffic.batches.keys() <= set(found)
            batches = [*traffic.batches.values()]
            assert await key_ids_of_batch(site, batches[-1]) == {"new"}
        finally:
            for program in running.values():
                await program.stop()
