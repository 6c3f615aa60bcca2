"""From the first start to the last stop: no acknowledged entry is lost, whichever process is killed.

The processes are those that docs/running.md starts separately.
"""

import json
import shlex
import signal
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from acceptance.conftest import BESIDE_PYTHON, User, dev_running, entry_of, environment, free_ports, home, run, store
from acceptance.docs.blocks import typed_by
from conftest import new_tenant
from databases import urls_of
from trenova.dev import orphans, ports, schema
from trenova.dev.postgres import Postgres
from trenova.dev.temporal import Temporal
from waiting import LIMIT_S, until

MIGRATE, KEY, API, WORKER = typed_by("tests/acceptance/test_journey.py", "docs/running.md")
CLOUDTRAIL = Path(__file__).parents[1] / "data" / "importing" / "cloudtrail.ndjson"


@pytest.fixture
def home_folder() -> Iterator[Path]:
    with home() as path:
        yield path


def stored_bodies(trenova: User) -> list[str]:
    """The stored entries of the tenant, newest first, as their exact bytes."""
    ended = trenova("entries", "--all", "--json", "--tenant", trenova.tenant)
    assert ended.exit_code == 0, ended
    return ended.lines


def test_all_entries_survive_a_kill_of_every_process_and_nothing_runs_after_a_stop(home_folder: Path) -> None:
    data_dir, flags = home_folder / "data", free_ports()
    trenova = User(home_folder, data_dir, new_tenant())
    words = ("import", "--map", "cloudtrail", "--tenant", trenova.tenant, "--json", str(CLOUDTRAIL))

    with dev_running(data_dir, flags) as dev:
        assert trenova(*words).json["accepted"] == 12
        before, first = stored_bodies(trenova), dev.state
        for process in (psutil.Process(dev.supervisor.pid), *dev.parts()):
            process.kill()
        dev.supervisor.wait()
    # The next start removes it too, but the wait for that start must not see the old file.
    (data_dir / "dev.json").unlink()

    with dev_running(data_dir, flags) as dev:
        second, parts = dev.state, dev.parts()
        assert not set(first["pids"].values()) & set(second["pids"].values())
        for name in ("api_url", "api_key", "temporal_address", "temporal_namespace", "ui_url"):
            assert second[name] == first[name]
        assert stored_bodies(trenova) == before
        assert trenova(*words).json["duplicates"] == 12
        trenova.add({"comment": "after the kill"})
        assert len(stored_bodies(trenova)) == 13

        dev.supervisor.send_signal(signal.SIGTERM)
        assert dev.supervisor.wait() == 0
        assert not any(orphans.is_running(part) for part in parts)
        assert not (data_dir / "dev.json").exists()


@dataclass(frozen=True, slots=True)
class Servers:
    """A PostgreSQL and a Temporal without a supervisor, as in production, and the settings for both."""

    folder: Path
    variables: dict[str, str]
    """Variables of the command line; API and worker have separate logins."""
    urls: Mapping[str, str]
    """The database address by program; a program without one uses that of the variables."""

    def with_(self, **variables: str) -> "Servers":
        urls = {} if "TRENOVA_DATABASE__URL" in variables else self.urls
        return Servers(self.folder, {**self.variables, **variables}, urls)

    @contextmanager
    def running(self, command: str) -> Iterator["Server"]:
        """Run `trenova <command>` within the block; it is killed afterwards."""
        log = self.folder / f"{command}-{uuid.uuid4()}.log"
        own = {"TRENOVA_DATABASE__URL": self.urls[command]} if command in self.urls else {}
        with log.open("wb") as file:
            process = subprocess.Popen(
                [str(BESIDE_PYTHON / "trenova"), command],
                cwd=self.folder,
                env=environment(**self.variables | own),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        try:
            yield Server(process, log)
        finally:
            process.kill()
            process.wait()


def words_of(typed: str) -> list[str]:
    """The words of a command on the page, without its `#` comment."""
    program, *words = shlex.split(typed, comments=True)
    return [str(BESIDE_PYTHON / program), *words]


def command_of(typed: str) -> str:
    program, command = shlex.split(typed, comments=True)
    assert program == "trenova"
    return command


@dataclass(frozen=True, slots=True)
class Server:
    """A running `trenova api` or `trenova worker`."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def events(self) -> list[dict[str, Any]]:
        """All lines of its log, each a JSON object."""
        return [json.loads(line) for line in self.log.read_bytes().split(b"\n")[:-1]]

    def wait_for_event(self, event: str) -> dict[str, Any]:
        """Wait for the log line of this event and return it."""

        def matching_events() -> list[dict[str, Any]]:
            return [line for line in self.events() if line["event"] == event]

        until(lambda: matching_events() or self.process.poll() is not None, self.log.read_text)
        assert matching_events(), self.log.read_text()
        return matching_events()[0]

    def stop(self) -> None:
        """Stop it with SIGTERM; fails unless it exits with 0."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(LIMIT_S) == 0, self.log.read_text()


@pytest.fixture(scope="module")
async def servers() -> AsyncIterator[Servers]:
    with home() as folder:
        async with (
            Postgres(folder / "servers").running() as postgres,
            Temporal(folder / "servers").running() as temporal,
        ):
            migrated = run(words_of(MIGRATE), folder, TRENOVA_DATABASE__OWNER_URL=postgres.owner_url)
            assert migrated.exit_code == 0, migrated
            await schema.prepare(postgres)  # finds the tables and creates the logins
            made = run(words_of(KEY), folder)
            assert made.exit_code == 0, made
            yield Servers(
                folder,
                {
                    "TRENOVA_DATABASE__URL": postgres.operator_url,
                    "TRENOVA_TEMPORAL__HOST_PORT": temporal.address,
                    "TRENOVA_API__PORT": str(ports.choose()),
                    "TRENOVA_SIGNING_KEY": made.out,
                },
                urls_of(postgres),
            )


def test_api_and_worker_run_separately_and_entries_accepted_without_a_worker_are_stored_by_the_next_one(
    servers: Servers,
) -> None:
    url = f"http://127.0.0.1:{servers.variables['TRENOVA_API__PORT']}"
    trenova = User(servers.folder, servers.folder, new_tenant())
    made = trenova(
        "api-key", "create", "--role", "admin", "--any-tenant", "--json", stdin=b"", **servers.variables
    ).json
    key = {"Authorization": f"Bearer {made['key']}"}
    entries = [entry_of(tenant=trenova.tenant, id=str(uuid.uuid4())) for _ in range(20)]

    with (
        servers.running(command_of(API)) as api,
        httpx.Client(base_url=url, headers=key, timeout=LIMIT_S, trust_env=False, verify=False) as client,
    ):
        until(lambda: answers(client), api.log.read_text)
        answer = client.post("/v1/entries", json=entries)
        assert answer.status_code == 202
        assert {entry["state"] for entry in answer.json()["entries"]} == {"accepted"}
        assert client.get("/v1/entries").json()["entries"] == []

        with servers.running(command_of(WORKER)) as worker:
            started = worker.wait_for_event("worker started")
            assert started["task_queue"] == "audit-queue"
            assert started["namespace"] == "default"
            assert started["address"] == servers.variables["TRENOVA_TEMPORAL__HOST_PORT"]
            assert started["level"] == "info"
            assert started["pid"] == worker.process.pid
            until(lambda: len(client.get("/v1/entries").json()["entries"]) == len(entries), worker.log.read_text)
            # The same entries again, as a client retries after a lost answer.
            store(client, *entries)
            found = client.get("/v1/entries").json()["entries"]
            assert sorted(entry["id"] for entry in found) == sorted(entry["id"] for entry in entries)
            worker.stop()
            assert worker.events()[-1]["event"] == "worker stopped"
        api.stop()
        assert all(made["key"] not in server.log.read_text() for server in (api, worker))


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_a_worker_without_temporal_logs_it_waits_and_can_be_stopped(servers: Servers) -> None:
    address = f"127.0.0.1:{ports.choose()}"
    alone = servers.with_(TRENOVA_TEMPORAL__HOST_PORT=address)
    with alone.running(command_of(WORKER)) as worker:
        waiting = worker.wait_for_event("waiting")
        assert f"failed to dial temporal client at {address}" in waiting["error"]
        assert "temporal server start-dev" in waiting["hint"]
        worker.stop()
