"""Stops and rolling restarts: each accepted entry is stored once, and processes exit within their drain time."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import httpx
import psycopg
import pytest

from acceptance import test_journey
from acceptance.conftest import BESIDE_PYTHON, User, entry_of, run
from acceptance.test_journey import Server, Servers, answers
from conftest import new_tenant
from trenova.dev import ports
from waiting import LIMIT_S, until

pytestmark = pytest.mark.long

servers = test_journey.servers

SENDERS = 2
PACE_S = 0.2  # so that the senders leave the processor to what is restarted
BETWEEN = 5  # requests that must be accepted before the next process is stopped


@dataclass(slots=True)
class Load:
    """Clients that send until they are stopped, and retry each request until it is accepted."""

    urls: Sequence[str]
    key: str
    tenant: str
    stop: threading.Event = field(default_factory=threading.Event)
    accepted: list[str] = field(default_factory=list)
    """The id of every accepted entry; appending to a list is atomic, also between threads."""

    def send(self) -> None:
        with ExitStack() as opened:
            clients = [httpx.Client(base_url=url, timeout=LIMIT_S, trust_env=False, verify=False) for url in self.urls]
            turns = cycle([opened.enter_context(client) for client in clients])
            while not self.stop.is_set():
                self.send_one(turns)

    def send_one(self, turns: Iterator[httpx.Client]) -> None:
        entries = [entry_of(tenant=self.tenant, id=str(uuid.uuid4())) for _ in range(3)]
        deadline = time.monotonic() + LIMIT_S
        for server in turns:
            try:
                answer = server.post("/v1/entries", json=entries, headers={"Authorization": f"Bearer {self.key}"})
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                if answer.status_code == 202:
                    break
                assert answer.status_code == 503, answer.text
            assert time.monotonic() < deadline
        self.accepted += [entry["id"] for entry in entries]
        time.sleep(PACE_S)

    def wait_for_progress(self) -> None:
        """Return once more requests have been accepted."""
        before = len(self.accepted)
        until(lambda: len(self.accepted) >= before + 3 * BETWEEN)


@contextmanager
def run_load(load: Load) -> Iterator[None]:
    with ThreadPoolExecutor(SENDERS) as pool:
        senders = [pool.submit(load.send) for _ in range(SENDERS)]
        try:
            yield
        finally:
            load.stop.set()
        for sender in senders:
            sender.result()


def admin_key(servers: Servers, tenant: str) -> str:
    made = User(servers.folder, servers.folder, tenant)(
        "api-key", "create", "--role", "admin", "--any-tenant", "--json", stdin=b"", **servers.variables
    )
    key: str = made.json["key"]
    return key


def indexes(servers: Servers, tenant: str) -> list[tuple[str, int]]:
    with psycopg.connect(servers.variables["TRENOVA_DATABASE__URL"]) as connection:
        return connection.execute(
            "SELECT id::text, index FROM entries WHERE tenant = %s ORDER BY index", [tenant]
        ).fetchall()


def ready(url: str) -> bool:
    with httpx.Client(base_url=url, timeout=LIMIT_S, trust_env=False, verify=False) as client:
        return answers(client)


def test_a_rolling_restart_under_load_loses_nothing_and_stores_nothing_twice(
    servers: Servers,
) -> None:
    at = [ports.choose(), ports.choose()]
    urls = [f"http://127.0.0.1:{port}" for port in at]
    apis = [servers.with_(TRENOVA_API__PORT=str(port)) for port in at]
    tenant = new_tenant()
    load = Load(urls, admin_key(servers, tenant), tenant)
    with ExitStack() as running:

        def start_api(which: int) -> Server:
            api = running.enter_context(apis[which].running("api"))
            until(lambda: ready(urls[which]), api.log.read_text)
            return api

        def start_worker(_: int) -> Server:
            worker = running.enter_context(servers.running("worker"))
            worker.wait_for_event("worker started")
            return worker

        starts: list[Callable[[int], Server]] = [start_api, start_worker]
        up = {start: [start(0), start(1)] for start in starts}
        with run_load(load):
            for start in (start_worker, start_api):
                for which, old in enumerate(up[start]):
                    load.wait_for_progress()
                    old.stop()
                    load.wait_for_progress()
                    up[start][which] = start(which)
            load.wait_for_progress()
        until(lambda: len(indexes(servers, tenant)) >= len(load.accepted))
    found = indexes(servers, tenant)
    assert sorted(id_ for id_, _ in found) == sorted(load.accepted)
    assert [index for _, index in found] == list(range(len(found)))


def test_an_api_with_an_open_request_exits_within_its_drain_time(servers: Servers) -> None:
    patient = {"TRENOVA_API__WAIT_STORED_SECONDS": str(10 * LIMIT_S), "TRENOVA_API__DRAIN_SECONDS": "1"}
    apart = servers.with_(**patient)
    url, tenant = f"http://127.0.0.1:{servers.variables['TRENOVA_API__PORT']}", new_tenant()
    headers = {"Authorization": f"Bearer {admin_key(servers, tenant)}"}
    entry = entry_of(tenant=tenant, id=str(uuid.uuid4()))
    with apart.running("api") as api, ThreadPoolExecutor(1) as pool:
        until(lambda: ready(url), api.log.read_text)
        # No worker runs, so the API would wait ten times as long as this test may take.
        waiting = pool.submit(
            httpx.post, f"{url}/v1/entries?wait=stored", json=entry, headers=headers, timeout=LIMIT_S, verify=False
        )
        until(lambda: is_batch_running(servers))
        api.stop()
        first_outcome = outcome(waiting.result)
    with apart.running("worker") as worker, apart.running("api") as api:
        worker.wait_for_event("worker started")
        until(lambda: len(indexes(servers, tenant)) == 1)
        until(lambda: ready(url), api.log.read_text)
        again = httpx.post(f"{url}/v1/entries?wait=stored", json=entry, headers=headers, timeout=LIMIT_S, verify=False)
        assert again.status_code == 201
    assert first_outcome in {202, 500, 503, "connection closed"}
    assert len(indexes(servers, tenant)) == 1


def outcome(answer: Callable[[], httpx.Response]) -> int | str:
    try:
        return answer().status_code
    except httpx.TransportError:
        return "connection closed"


def is_batch_running(servers: Servers) -> bool:
    address = servers.variables["TRENOVA_TEMPORAL__HOST_PORT"]
    query = "ExecutionStatus = 'Running' AND WorkflowType = 'ProcessAuditBatchWorkflow'"
    words = ("workflow", "count", "--query", query, "--address", address, "-o", "json")
    return int(run([str(BESIDE_PYTHON / "temporal"), *words], servers.folder).json.get("count", 0)) == 1


@pytest.mark.parametrize("command", ["api", "worker"])
def test_a_process_without_a_database_can_be_stopped(command: str, servers: Servers) -> None:
    nowhere = f"postgresql://trenova:x@127.0.0.1:{ports.choose()}/trenova"
    alone = servers.with_(TRENOVA_DATABASE__URL=nowhere)
    with alone.running(command) as process:
        line: dict[str, Any] = process.wait_for_event(
            "waiting" if command == "worker" else "started without a database"
        )
        assert line["error"].startswith("the database is unreachable: ")
        process.stop()


def test_a_worker_whose_batch_waits_for_a_lock_exits_within_its_drain_time(
    servers: Servers,
) -> None:
    hurried = servers.with_(TRENOVA_WORKER__DRAIN_SECONDS="1")
    url, tenant = f"http://127.0.0.1:{servers.variables['TRENOVA_API__PORT']}", new_tenant()
    key = {"Authorization": f"Bearer {admin_key(servers, tenant)}"}
    with servers.running("api") as api, psycopg.connect(servers.urls["worker"]) as holder:
        until(lambda: ready(url), api.log.read_text)
        holder.execute("INSERT INTO heads (tenant) VALUES (%s)", [tenant])
        holder.commit()
        with hurried.running("worker") as worker:
            worker.wait_for_event("worker started")
            holder.execute("SELECT FROM heads WHERE tenant = %s FOR UPDATE", [tenant])
            answer = httpx.post(
                f"{url}/v1/entries", json=entry_of(tenant=tenant), headers=key, timeout=LIMIT_S, verify=False
            )
            assert answer.status_code == 202, answer.text
            until(lambda: is_blocking(holder))
            # The lock is held until after the exit.
            worker.stop()
        holder.rollback()
        with servers.running("worker") as worker:
            worker.wait_for_event("worker started")
            until(lambda: len(indexes(servers, tenant)) == 1, worker.log.read_text)


def is_blocking(holder: psycopg.Connection[Any]) -> bool:
    question = "SELECT FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    return holder.execute(question).fetchone() is not None
