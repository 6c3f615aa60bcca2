"""The three terminals of docs/running.md on a fresh clone: a Temporal, a worker and an API, and nothing else."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from acceptance.conftest import BESIDE_PYTHON, PARTS, CommandResult, entry_of, environment, home, run, store
from acceptance.docs.blocks import typed_by
from examples import SIGNER
from trenova.dev import orphans, ports
from trenova.dev.process import last_lines
from trenova.runtime.installation.folder import Folder
from waiting import LIMIT_S, until

pytestmark = pytest.mark.long

CHECKOUT = Path(__file__).parents[2]
# Longer than a worker takes between two queries.
UNNOTICED_S = 6
TEMPORAL, WORKER, API, SEND, VERIFY, LOGS = typed_by("tests/acceptance/test_three_terminals.py", "docs/running.md")


@dataclass(frozen=True, slots=True)
class Terminal:
    """A terminal with a running command."""

    process: subprocess.Popen[bytes]
    output: Path

    def find_event(self, event: str) -> dict[str, Any] | None:
        """The program's first log line of this event, or None."""
        lines = (line for line in self.output.read_text().splitlines() if line.startswith("{"))
        return next((line for line in map(json.loads, lines) if line.get("event") == event), None)

    def wait_for(self, event: str) -> dict[str, Any]:
        until(lambda: self.find_event(event) or self.process.poll() is not None, lambda: last_lines(self.output))
        line = self.find_event(event)
        assert line is not None, last_lines(self.output)
        return line

    def signal(self, number: signal.Signals) -> None:
        """Send a signal as a terminal does: to make and to the program that make runs."""
        os.killpg(self.process.pid, number)
        self.process.wait(LIMIT_S)


@dataclass(frozen=True, slots=True)
class Clone:
    """A clone after its set-up, with separate ports, and the terminals in it."""

    path: Path
    temporal_port: int
    api_port: int
    terminals: list[Terminal] = field(default_factory=list)

    @property
    def folder(self) -> Folder:
        return Folder(self.path / ".trenova")

    def type(self, command: str) -> Terminal:
        output = self.path / f"output-{len(self.terminals)}"
        with output.open("wb") as file:
            process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                cwd=self.path,
                env=self.environment(),
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.terminals.append(Terminal(process, output))
        return self.terminals[-1]

    def environment(self) -> dict[str, str]:
        return environment(PATH=f"{self.path}/.venv/bin:/usr/local/bin:/usr/bin:/bin", HOME=str(self.path))

    def shell(self, command: str) -> CommandResult:
        """Run a command until it exits, with this clone's API port."""
        typed = command.replace("127.0.0.1:8080", f"127.0.0.1:{self.api_port}")
        return run(["/bin/sh", "-c", typed], self.path, b"", **self.environment())

    def trenova(self, *words: str, **variables: str) -> CommandResult:
        return run([str(BESIDE_PYTHON / "trenova"), *words], self.path, b"", HOME=str(self.path), **variables)

    def start(self, *commands: str) -> list[Terminal]:
        """Run each command in a terminal and wait until its program is ready."""
        typed = [self.type(command) for command in commands]
        for terminal, command in zip(typed, commands, strict=True):
            terminal.wait_for("worker started" if command == WORKER else "Application startup complete.")
        return typed

    def api(self, key_file: str | None = None) -> httpx.Client:
        """A client of the API with the key in the file that the log named."""
        key = Path(key_file or self.folder.secret_file("api-key")).read_text()
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.api_port}",
            headers=headers,
            timeout=LIMIT_S,
            trust_env=False,
            verify=False,
        )

    def send(self, target: str) -> None:
        with self.api() as client:
            store(client, entry_of(tenant="acme", target={"type": "shipment", "id": target}))

    def targets(self) -> set[str]:
        with self.api() as client:
            deadline = time.monotonic() + LIMIT_S
            while (answer := client.get("/v1/entries", params={"tenant": "acme"})).status_code != httpx.codes.OK:
                assert time.monotonic() < deadline, answer.text
        return {entry["target"]["id"] for entry in answer.json()["entries"]}

    def ports(self) -> list[str]:
        """Port flags for a `trenova dev` beside the Temporal of the first terminal."""
        words = {"--api-port": self.api_port, "--temporal-port": ports.choose(), "--ui-port": ports.choose()}
        return [str(word) for pair in words.items() for word in pair]

    def keeper(self) -> psutil.Process:
        found = orphans.recorded_process(self.folder.record("keeper"))
        assert found is not None
        return found

    def is_quiet(self) -> bool:
        """Whether no process of the data folder is running."""
        return not any(orphans.find(self.folder.record(name)) for name in ("keeper", "postgres"))

    def kill_all(self) -> None:
        for terminal in self.terminals:
            if terminal.process.poll() is None:
                terminal.signal(signal.SIGKILL)
        for name in ("keeper", *PARTS):
            for process in orphans.find(self.folder.record(name)):
                process.kill()


@pytest.fixture(scope="module")
def clone() -> Iterator[Clone]:
    """One clone for all tests of this file; each begins with only Temporal running, and adds entries."""
    with home() as path:
        made = Clone(path, ports.choose(), ports.choose())
        prepare(made)
        made.type(f"{TEMPORAL} --headless --port {made.temporal_port}")
        try:
            yield made
        finally:
            made.kill_all()


def prepare(clone: Clone) -> None:
    """Create what `make setup` creates, and the default configuration with other ports."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(CHECKOUT / name, clone.path)
    for name in ("requirements", "tools", "config"):
        shutil.copytree(CHECKOUT / name, clone.path / name)
    programs = clone.path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "trenova", "temporal"):
        (programs / name).symlink_to(BESIDE_PYTHON / name)
    (clone.path / ".venv" / ".installed").touch()
    config = clone.path / "config/config.yaml"
    settings = yaml.safe_load(config.read_text())
    settings["temporal"]["hostPort"] = f"localhost:{clone.temporal_port}"
    settings["api"]["port"] = clone.api_port
    config.write_text(yaml.safe_dump(settings))


@pytest.fixture(autouse=True)
def stop_terminals(clone: Clone) -> Iterator[None]:
    """Each test begins with only Temporal running."""
    yield
    for terminal in clone.terminals[1:]:
        if terminal.process.poll() is None:
            terminal.signal(signal.SIGKILL)
    until(clone.is_quiet)


def test_the_page_has_the_three_commands_of_the_guide() -> None:
    assert (TEMPORAL, WORKER, API) == ("temporal server start-dev", "make run-worker", "make run")


def store_prove_and_follow_as_on_the_page(clone: Clone) -> None:
    """What the page types in the fourth terminal."""
    answers: list[CommandResult] = []

    def is_stored() -> bool:
        answers.append(clone.shell(SEND))
        return answers[-1].exit_code != 0 or '"checkpoint"' in answers[-1].out

    until(is_stored, lambda: answers)
    (entry,) = answers[-1].json["entries"]
    assert entry["state"] == "stored"
    proven = clone.shell(VERIFY)
    assert proven.exit_code == 0, proven
    logs = clone.type(LOGS)
    parts = ("postgres", "keeper", "worker", "api")
    until(lambda: all(re.search(rf"^{part} +\| ", logs.output.read_text(), re.MULTILINE) for part in parts))
    logs.signal(signal.SIGINT)
    assert "Traceback" not in logs.output.read_text()


def test_worker_and_api_started_at_once_store_and_prove_an_entry_and_ctrl_c_stops_everything(clone: Clone) -> None:
    worker, api = clone.start(WORKER, API)
    ready = [terminal.find_event("PostgreSQL is ready") for terminal in (worker, api)]
    assert ready[0] is not None
    assert ready[1] is not None
    assert Path(ready[0]["data"], "PG_VERSION").exists()
    assert "in_other_terminals" not in ready[0]  # the default folder needs no variable
    with clone.api(ready[1]["api_key_file"]) as client:
        receipt = store(client, entry_of(tenant="acme", target={"type": "shipment", "id": "first"})).json()
    assert receipt["entries"][0]["checkpoint"]
    store_prove_and_follow_as_on_the_page(clone)
    listed = clone.trenova("entries", "--tenant", "acme", "--json")
    assert "first" in listed.out
    shown = clone.trenova("logs", "--lines", "1000")
    assert {"postgres", "keeper", "worker", "api"} <= {line.split()[0] for line in shown.lines}
    assert "worker started" in shown.out

    for terminal in (api, worker):
        terminal.signal(signal.SIGINT)
    until(clone.is_quiet)
    assert not clone.folder.embedded.exists()


def test_the_database_stays_up_when_the_program_that_started_it_stops_and_the_other_runs(clone: Clone) -> None:
    api, *_ = clone.start(API)
    clone.start(WORKER)
    clone.send("before-the-stop")
    keeper = clone.keeper()
    api.signal(signal.SIGINT)
    clone.start(API)
    clone.send("after-the-stop")
    assert clone.keeper() == keeper
    assert {"before-the-stop", "after-the-stop"} <= clone.targets()


def test_killing_worker_api_or_keeper_does_not_leave_the_others_without_a_database(clone: Clone) -> None:
    worker, *_ = clone.start(WORKER)
    clone.start(API)
    clone.send("before-the-kills")
    worker.signal(signal.SIGKILL)
    assert "before-the-kills" in clone.targets()

    keeper = clone.keeper()
    keeper.kill()
    until(lambda: not orphans.is_running(keeper))
    assert "before-the-kills" in clone.targets()  # PostgreSQL runs on

    clone.start(WORKER)  # which stops that PostgreSQL and starts it again
    assert clone.keeper() != keeper
    clone.send("after-the-kills")
    assert {"before-the-kills", "after-the-kills"} <= clone.targets()


def test_nothing_stored_is_lost_when_everything_is_killed_at_once(clone: Clone) -> None:
    clone.start(API, WORKER)
    clone.send("before-the-kill")
    for terminal in clone.terminals[1:]:
        if terminal.process.poll() is None:
            terminal.signal(signal.SIGKILL)
    for name in ("keeper", "postgres"):
        for process in orphans.find(clone.folder.record(name)):
            process.kill()
    clone.start(WORKER, API)
    assert "before-the-kill" in clone.targets()


def test_trenova_dev_names_the_programs_that_use_the_folder_and_leaves_them_running(clone: Clone) -> None:
    api, *_ = clone.start(API)
    error, hint = clone.trenova("dev").error_and_hint()
    assert re.search(r"is in use: its PostgreSQL runs for `trenova api` \(pid \d+\)$", error)
    assert "Ctrl-C" in hint
    clone.targets()
    assert api.process.poll() is None

    # With or without a keeper: a start would stop that PostgreSQL and then fail at the API's port.
    keeper = clone.keeper()
    keeper.kill()
    until(lambda: not orphans.is_running(keeper))
    error, hint = clone.trenova("dev", *clone.ports()).error_and_hint()
    assert re.search(r"is in use: its PostgreSQL runs for `trenova api` \(pid \d+\)$", error)
    assert "Ctrl-C" in hint
    clone.targets()
    clone.start(WORKER)  # with a keeper again, which exits with the last of them


def test_a_worker_beside_trenova_dev_waits_while_that_is_stopped_and_continues_after_its_next_start(
    clone: Clone,
) -> None:
    dev = clone.type(f"make dev ARGS='{' '.join(clone.ports())}'")
    until(lambda: clone.folder.state.exists() or dev.process.poll() is not None, lambda: last_lines(dev.output))
    (worker,) = clone.start(WORKER)
    dev.signal(signal.SIGINT)
    until(clone.is_quiet)
    time.sleep(UNNOTICED_S)
    assert worker.process.poll() is None

    dev = clone.type(f"make dev ARGS='{' '.join(clone.ports())}'")
    until(lambda: clone.folder.state.exists() or dev.process.poll() is not None, lambda: last_lines(dev.output))
    assert dev.process.poll() is None
    dev.signal(signal.SIGINT)
    until(clone.is_quiet)

    clone.start(API)
    clone.send("after-the-restart")  # stored by that worker, the only one of this Temporal
    assert worker.process.poll() is None
    assert "after-the-restart" in clone.targets()


def test_a_postgresql_that_cannot_start_is_one_error_with_the_cause(clone: Clone) -> None:
    memory = clone.path / "broken" / "postgres.json"
    memory.parent.mkdir(mode=0o755)
    memory.write_text('{"data": "gone", "complete": true}')
    ended = clone.trenova("worker", "--data-dir", str(memory.parent))
    error, hint = ended.err.splitlines()[-2:]
    assert "cannot be started: PostgreSQL's data is missing" in error
    assert hint.startswith("hint: move it back to that place")


ELSEWHERE = {
    "another host": {"TRENOVA_TEMPORAL__HOST_PORT": "temporal.example:7233"},
    "TLS": {"TRENOVA_TEMPORAL__TLS__ENABLED": "true"},
    "an API key": {"TRENOVA_TEMPORAL__API_KEY": "key"},
}


@pytest.mark.parametrize("variables", ELSEWHERE.values(), ids=ELSEWHERE)
def test_with_a_remote_temporal_nothing_is_started_and_one_error_names_everything_that_is_missing(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    typed = [str(BESIDE_PYTHON / "trenova"), "worker"]
    ended = run(typed, tmp_path, b"", TRENOVA_TEMPORAL__SECURITY__ENABLE_ENCRYPTION="true", **variables)
    assert ended.exit_code == 1
    first, *problems, hint = ended.err.splitlines()
    assert first == "error: invalid configuration"
    assert hint.startswith("hint: ")
    for words in (
        r"database\.url: nothing given.*TRENOVA_DATABASE__URL",
        r"TEMPORAL_ENCRYPTION_KEY.*trenova keys generate",
        r"no signing key.*trenova keys generate --signing",
    ):
        assert any(re.search(words, problem) for problem in problems), ended.err
    assert list(tmp_path.iterdir()) == []


LEFT = {"embedded.json": {}, "dev.json": {"api_url": "http://127.0.0.1:1"}}


@pytest.mark.parametrize(
    ("command", "where", "file"),
    [
        ("api", "another host", "embedded.json"),
        ("worker", "another host", "dev.json"),
        ("api", "TLS", "dev.json"),
        ("worker", "an API key", "embedded.json"),
    ],
)
def test_with_a_remote_temporal_the_database_of_the_data_folder_is_not_used(
    tmp_path: Path, command: str, where: str, file: str
) -> None:
    folder = Folder(tmp_path / ".trenova")
    content = {"api_key": "key", "database_url": "postgresql://somebody:secret@127.0.0.1:1/trenova", **LEFT[file]}
    (folder.path / file).write_text(json.dumps(content))
    folder.write_secret("signing-key", SIGNER.secrets[0].secret_text)
    typed = [str(BESIDE_PYTHON / "trenova"), command]
    # Without an encryption key neither starts, whatever its database is.
    ended = run(typed, tmp_path, b"", TRENOVA_TEMPORAL__SECURITY__ENABLE_ENCRYPTION="true", **ELSEWHERE[where])
    assert ended.exit_code == 1
    assert "database.url: nothing given" in ended.err
    assert ("no signing key" in ended.err) == (command == "worker")


def test_a_data_folder_flag_is_printed_as_a_shell_line_that_sets_it(tmp_path: Path) -> None:
    ended = run([str(BESIDE_PYTHON / "trenova"), "entries", "--data-dir", str(tmp_path / "my data")], tmp_path)
    assert ended.err.splitlines()[-1].endswith(f"type first: export TRENOVA_DATA_DIR='{tmp_path}/my data'")
