"""What a worker reports: to probes, to Prometheus, to the service manager and to Temporal."""

import asyncio
import copy
import json
import os
import re
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from acceptance.conftest import entry_of
from acceptance.encrypted import Site, encrypting, new_key, start_site
from conftest import new_tenant
from contract.lossy_proxy import LossyProxy
from databases import urls_of
from temporal_fronts import api_key_front
from trenova.dev.ports import choose
from trenova.dev.postgres import Postgres
from trenova.worker.health_page import PORT_SETTING
from waiting import LIMIT_S, becomes

pytestmark = pytest.mark.long


def health_on(port: int, **variables: str) -> dict[str, str]:
    return {"TRENOVA_WORKER__HEALTH__PORT": str(port), **variables}


async def page(port: int, path: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, timeout=LIMIT_S, verify=False) as client:
        return await client.get(f"http://127.0.0.1:{port}{path}")


async def ready(port: int) -> dict[str, Any]:
    """The parts of `/readyz`, with the status code."""
    answer = await page(port, "/readyz")
    return {**answer.json(), "status": answer.status_code}


async def is_ready(port: int) -> bool:
    with suppress(httpx.TransportError):
        return (await page(port, "/readyz")).status_code == 200
    return False


async def reports(port: int, parts: dict[str, Any]) -> bool:
    with suppress(httpx.TransportError):
        return parts.items() <= (await ready(port)).items()
    return False


async def counts(port: int, line: str) -> bool:
    return line in (await page(port, "/metrics")).text.splitlines()


@asynccontextmanager
async def far_site(folder: Path, postgres: Postgres) -> AsyncIterator[tuple[Site, LossyProxy, LossyProxy]]:
    """A site whose programs reach Temporal and PostgreSQL through proxies that a test may cut."""
    async with start_site(folder, postgres) as site:
        temporal = copy.copy(site.temporal)
        to_temporal, to_postgres = LossyProxy("127.0.0.1", temporal.port), LossyProxy("127.0.0.1", postgres.port)
        async with to_temporal.running(), to_postgres.running():
            temporal.address = to_temporal.address
            urls = urls_of(postgres, to_postgres.port)
            yield replace(site, temporal=temporal, database_urls=urls), to_temporal, to_postgres


async def test_readiness_follows_the_polls_and_the_database_within_seconds_and_the_process_keeps_running(
    folder: Path, postgres: Postgres
) -> None:
    port = choose()
    async with (
        far_site(folder, postgres) as (site, to_temporal, to_postgres),
        site.running(["worker"], health_on(port)),
    ):
        healthy = {"status": 200, "ready": True, "polls": "ok", "database": "ok", "keys": "ok"}
        await becomes(lambda: reports(port, healthy))

        to_temporal.mode = "refuse"
        to_temporal.cut()
        await becomes(lambda: unready(port, "polls", "failed to dial temporal client"))
        await becomes(lambda: reports(port, {"status": 503, "ready": False, "database": "ok"}))
        await becomes(lambda: counts(port, "trenova_worker_ready 0.0"))
        to_temporal.mode = "pass"
        await becomes(lambda: is_ready(port))
        await becomes(lambda: counts(port, "trenova_worker_ready 1.0"))

        to_temporal.mode = "lose answers"
        await becomes(lambda: unready(port, "polls", "failed to dial temporal client"))
        to_temporal.mode = "pass"
        to_temporal.cut()
        await becomes(lambda: is_ready(port))

        to_postgres.mode = "refuse"
        to_postgres.cut()
        await becomes(lambda: unready(port, "database", "the database is unreachable"))
        assert (await page(port, "/livez")).text == "ok"
        await becomes(lambda: counts(port, 'trenova_database_closed{reason="unreachable"} 1.0'))
        to_postgres.mode = "pass"
        await becomes(lambda: is_ready(port))
        await becomes(lambda: counts(port, 'trenova_database_closed{reason="unreachable"} 0.0'))


async def unready(port: int, part: str, reason: str) -> bool:
    parts = await ready(port)
    return parts["status"] == 503 and parts["ready"] is False and parts[part].startswith(reason)


async def test_a_worker_without_the_key_of_open_workflows_reports_it_and_stays_ready(
    folder: Path, postgres: Postgres
) -> None:
    one, other, port = new_key(), new_key(), choose()
    async with start_site(folder, postgres) as site:
        async with site.running(["api"], encrypting("a", a=one)), site.client() as client:
            answer = await client.post("/v1/entries", json={**entry_of(), "tenant": new_tenant()})
            assert answer.status_code == 202, answer.text
        async with site.running(["worker"], health_on(port, **encrypting("b", b=other))):
            await becomes(lambda: counts(port, "trenova_keys_wrong 1.0"))
            await becomes(lambda: is_ready(port))
            assert 'trenova_encryption_key_info{id="b",use="encrypts"} 1.0' in (await page(port, "/metrics")).text


async def test_a_worker_that_waits_at_its_start_is_alive_but_not_ready(folder: Path, postgres: Postgres) -> None:
    port = choose()
    async with far_site(folder, postgres) as (site, _, to_postgres):
        to_postgres.mode = "refuse"
        starting = asyncio.create_task(site.start("worker", health_on(port)))
        try:
            await becomes(lambda: unready_while_starting(port))
            assert (await page(port, "/livez")).status_code == 200
            await becomes(lambda: counts(port, 'trenova_database_closed{reason="unreachable"} 1.0'))
        finally:
            to_postgres.mode = "pass"
            await (await starting).stop()


async def test_a_worker_that_is_denied_its_namespace_waits_and_polls_once_it_is_allowed(
    folder: Path, postgres: Postgres
) -> None:
    """The SDK describes the namespace after connecting and before the first poll, more than once."""
    port, key = choose(), {"TEMPORAL_API_KEY": "sesame", "TRENOVA_TEMPORAL__TLS__ENABLED": "false"}
    async with (
        start_site(folder, postgres) as site,
        api_key_front(site.temporal.address, "sesame", refused="DescribeNamespace", times=4) as front,
    ):
        temporal = copy.copy(site.temporal)
        temporal.address = front
        async with replace(site, temporal=temporal).running(["worker"], health_on(port, **key)) as (worker,):
            await becomes(lambda: is_ready(port))
        lines = [json.loads(line) for line in worker.log.read_text().splitlines()]
        waited = [line["error"] for line in lines if line["event"] == "waiting"]
        reason = "Temporal denied the API key (temporal.apiKey): PERMISSION_DENIED: Not yet."
        assert set(waited) == {f"failed to dial temporal client at {front}: {reason}"}
        assert worker.process.returncode == 0


async def unready_while_starting(port: int) -> bool:
    with suppress(httpx.TransportError):
        return await unready(port, "polls", "starting")
    return False


async def test_one_page_has_the_metrics_of_the_sdk_and_our_own(folder: Path, postgres: Postgres) -> None:
    port = choose()
    async with start_site(folder, postgres) as site, site.running(["api", "worker"], health_on(port)):
        entry = {**entry_of(), "id": "7b2c5a0e-4f0e-4d0a-9a53-3f6d0a3f8c11", "tenant": new_tenant()}
        for _ in range(2):
            await site.store(entry)

        worker, api = f"http://127.0.0.1:{port}/metrics", f"{site.api_url}/metrics"

        # The SDK's metrics are left out of a page when it is slow to answer.
        async def has_temporal_metrics() -> bool:
            stored = [line for line in await lines(site, worker) if line.startswith("temporal_workflow_completed_")]
            sent = [line for line in await lines(site, api) if "StartWorkflowExecution" in line]
            return 'task_queue="audit-queue"' in "".join(stored) and "".join(sent).startswith("temporal_request_")

        await becomes(has_temporal_metrics)
        assert 'trenova_batches_waiting{age="600"} 0.0' in await lines(site, api)
        # One for each of the two, and more if a slow attempt was repeated.
        count = own_counts(await lines(site, worker))
        stored, duplicate = count["trenova_entries_stored_total"], count["trenova_entries_duplicate_total"]
        assert min(stored, duplicate) >= 1
        assert stored + duplicate == count["trenova_stored_latency_seconds_count"]
        assert count["trenova_gate_shut"] == 0
        count = own_counts(await lines(site, api))
        assert count["trenova_entries_accepted_total"] >= 2
        assert count["trenova_batch_entries_count"] >= 2
        assert count["trenova_acknowledgement_latency_seconds_count"] == count["trenova_entries_accepted_total"]
        assert (await page(port, "/other")).status_code == 404


async def lines(site: Site, url: str) -> list[str]:
    async with site.client() as client:
        return (await client.get(url)).text.splitlines()


def own_counts(page: list[str]) -> dict[str, float]:
    """Our own metrics without labels."""
    ours = (line.split() for line in page if re.fullmatch(r"trenova_\w+ \S+", line))
    return {name: float(value) for name, value in ours}


async def test_temporal_lists_the_worker_by_its_heartbeats(folder: Path, postgres: Postgres) -> None:
    async with start_site(folder, postgres) as site, site.running(["worker"], {}) as (worker,):

        async def is_listed() -> bool:
            ended = await site.cli("worker", "list", "--output", "json")
            assert ended.exit_code == 0, ended
            return f"{worker.process.pid}@" in ended.out and "audit-queue" in ended.out

        await becomes(is_listed)


async def test_a_worker_whose_pollers_and_slots_follow_the_load_reports_it_and_stores(
    folder: Path, postgres: Postgres
) -> None:
    tuned = {
        "TRENOVA_WORKER__MAX_AUTOSCALED_POLLERS": "20",
        "TRENOVA_WORKER__RESOURCES__TARGET_MEMORY": "1",
        "TRENOVA_WORKER__RESOURCES__TARGET_CPU": "1",
    }
    async with start_site(folder, postgres) as site, site.running(["api", "worker"], tuned):

        async def shows_tuning() -> bool:
            (worker, *_) = json.loads((await site.cli("worker", "list", "--output", "json")).out or "[]") or [None]
            if worker is None:
                return False
            heartbeat = worker["workerHeartbeat"]
            assert heartbeat["activityTaskSlotsInfo"]["slotSupplierKind"] == "ResourceBased"
            assert heartbeat["localActivitySlotsInfo"]["slotSupplierKind"] == "Fixed"
            assert heartbeat["workflowPollerInfo"]["isAutoscaling"] is True
            return True

        await site.store({**entry_of(), "tenant": new_tenant()})
        await becomes(shows_tuning)


async def test_additional_pollers_wait_for_new_batches_and_one_for_later_tasks(
    folder: Path, postgres: Postgres
) -> None:
    port = choose()
    more = {"TRENOVA_WORKER__MAX_CONCURRENT_WORKFLOW_TASK_POLLERS": "5"}
    async with start_site(folder, postgres) as site, site.running(["worker"], {**health_on(port), **more}):

        async def has_pollers() -> bool:
            lines = (await page(port, "/metrics")).text.splitlines()
            pollers = [line for line in lines if line.startswith("temporal_num_pollers{")]
            return all(
                any(f'poller_type="{kind}"' in line and line.endswith(f" {count}") for line in pollers)
                for kind, count in (("workflow_task", 4), ("sticky_workflow_task", 1))
            )

        await becomes(has_pollers)


async def test_a_port_in_use_is_named_at_start(folder: Path, postgres: Postgres) -> None:
    async with start_site(folder, postgres) as site:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            ended = await site.command("worker", **health_on(port))
        assert ended.error_and_hint() == (
            f"invalid configuration: port {port} on 127.0.0.1 is already in use",
            f"stop the program that uses it, or choose another port with {PORT_SETTING}",
        )


@pytest.mark.parametrize("name", ["api", "worker"])
async def test_a_healthy_start_logs_no_warning(folder: Path, postgres: Postgres, name: str) -> None:
    port, key = choose(), new_key()
    async with (
        start_site(folder, postgres) as site,
        site.running([name], {**encrypting("a", a=key), **health_on(port)}) as (program,),
    ):
        await becomes(lambda: is_ready(port if name == "worker" else site.api_port))
        lines = [json.loads(line) for line in program.log.read_text().splitlines()]
        assert [line for line in lines if line["level"] not in {"info", "debug"}] == []


@pytest.fixture
def manager() -> Iterator[socket.socket]:
    """A service manager's socket, in a folder with a shorter path than pytest's, because socket paths are limited."""
    with (
        tempfile.TemporaryDirectory(prefix="trenova-notify-") as path,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as opened,
    ):
        opened.bind(os.fspath(Path(path) / "notify"))
        opened.settimeout(LIMIT_S)
        yield opened


@pytest.mark.parametrize("name", ["api", "worker"])
async def test_the_service_manager_is_notified_of_readiness_watchdog_and_stop(
    folder: Path, postgres: Postgres, manager: socket.socket, name: str
) -> None:
    async with start_site(folder, postgres) as site:
        notify = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "1000000"}
        async with site.running([name], notify):
            messages = await asyncio.to_thread(receive_until, manager, b"READY=1")
            # At least some seconds of watchdog messages.
            for _ in range(3):
                messages += await asyncio.to_thread(receive_until, manager, b"WATCHDOG=1")
            assert b"STOPPING=1" not in messages
        await asyncio.to_thread(receive_until, manager, b"STOPPING=1")


def receive_until(manager: socket.socket, until: bytes) -> list[bytes]:
    """All messages up to and including this one."""
    found: list[bytes] = []
    while until not in found:
        found.append(manager.recv(100))
    return found
