"""The installed product: the command `trenova` as a process, and one `trenova dev` that all tests share."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
import pytest
import uuid_utils

import preloaded
import prepared
from conftest import new_tenant
from trenova.dev import orphans, ports
from trenova.dev.process import last_lines
from trenova.keys.encryption import generate_key
from waiting import LIMIT_S, until

BESIDE_PYTHON = Path(sys.executable).parent
ENABLED = {"TRENOVA_TEMPORAL__SECURITY__ENABLE_ENCRYPTION": "true"}
PARTS = ("worker", "api", "temporal", "postgres")
# Settings of ours, and what `make test` hands on to a `make` that a test types.
SCRUBBED = ("TRENOVA_", "TEMPORAL_", "PG", "MAKE", "MFLAGS")
# Longer than a machine stalls, and shorter than the minute after which our own client retries.
PATIENT = {"TRENOVA_API__WAIT_STORED_SECONDS": "50"}
# Temporal is unreachable for a moment, or storing takes longer than the API waits.
RETRYABLE = {httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.ACCEPTED}


def environment(**variables: str) -> dict[str, str]:
    """The caller's environment without our settings, and with plain output 80 columns wide."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(SCRUBBED)}
    return {**inherited, "COLUMNS": "80", "NO_COLOR": "1", **PATIENT, **variables}


def store(client: httpx.Client, *entries: dict[str, Any], status: int = httpx.codes.CREATED) -> httpx.Response:
    """Send entries in one request until they are stored, as clients retry on a slow machine."""
    request = client.build_request("POST", "/v1/entries?wait=stored", json=with_ids(entries))
    deadline = time.monotonic() + LIMIT_S
    while (answer := client.send(request)).status_code in RETRYABLE:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.5)
    assert answer.status_code == status, answer.text
    return answer


def with_ids(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries with ordered ids, as the API assigns them: sent twice, they are stored once."""
    return [{"id": str(uuid_utils.uuid7()), **entry} for entry in entries]


@dataclass(frozen=True, slots=True)
class CommandResult:
    """Exit code and output of a command that has exited."""

    exit_code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def objects(self) -> list[Any]:
        """The objects that `--json` printed, one per line."""
        return [json.loads(line) for line in self.lines]

    def error_and_hint(self, *, exit_code: int = 1) -> tuple[str, str]:
        """The texts after `error:` and `hint:`; fails unless standard error is exactly these two lines."""
        assert self.exit_code == exit_code, self
        error, hint = self.err.splitlines()
        assert error.startswith("error: "), self.err
        assert hint.startswith("hint: "), self.err
        return error.removeprefix("error: "), hint.removeprefix("hint: ")


def run(argv: Sequence[str], folder: Path, stdin: bytes = b"", **variables: str) -> CommandResult:
    return run_in(environment(**variables), argv, folder, stdin)


def run_in(env: Mapping[str, str], argv: Sequence[str], folder: Path, stdin: bytes = b"") -> CommandResult:
    """Run a program in this environment; `trenova` runs in a fork where that makes no difference."""
    if preloaded.is_possible(argv, env):
        code, out, err = preloaded.run(argv[1:], environment=env, folder=folder, stdin=stdin, limit_s=LIMIT_S)
        return CommandResult(code, out.decode(), err.decode())
    ended = subprocess.run(argv, cwd=folder, env=env, input=stdin, capture_output=True, timeout=LIMIT_S, check=False)
    return CommandResult(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


@dataclass(frozen=True, slots=True)
class Dev:
    """A running `trenova dev` and the content of its state file."""

    data_dir: Path
    supervisor: preloaded.Command

    @property
    def state(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.data_dir / "dev.json").read_text())
        return content

    def api(self) -> httpx.Client:
        """A client of the API with the key of `trenova dev`."""
        return api_of(self.state)

    def parts(self) -> list[psutil.Process]:
        return [psutil.Process(self.state["pids"][part]) for part in PARTS]


def api_of(state: dict[str, Any]) -> httpx.Client:
    key = {"Authorization": f"Bearer {state['api_key']}"}
    return httpx.Client(base_url=state["api_url"], headers=key, timeout=LIMIT_S, trust_env=False, verify=False)


@contextmanager
def dev_running(data_dir: Path, flags: Sequence[str], **variables: str) -> Iterator[Dev]:
    """Run `trenova dev` within the block; it is ready."""
    output = data_dir.with_name("output")
    with output.open("wb") as file:
        words = ["dev", "--data-dir", str(data_dir), *flags]
        supervisor = preloaded.start_logging(
            words, environment=environment(**variables), folder=data_dir.parent, log=file
        )
    try:
        until(
            lambda: (data_dir / "dev.json").exists() or supervisor.poll() is not None,
            lambda: last_lines(output),
        )
        assert supervisor.poll() is None, last_lines(output)
        yield Dev(data_dir, supervisor)
    finally:
        if supervisor.poll() is None:
            supervisor.send_signal(signal.SIGTERM)
        supervisor.wait(LIMIT_S)


def free_ports() -> list[str]:
    return [word for name in ("--api-port", "--temporal-port", "--ui-port") for word in (name, str(ports.choose()))]


@contextmanager
def home() -> Iterator[Path]:
    """A folder that PostgreSQL's user may enter. Processes that a failed test left running in it are killed."""
    path = Path(tempfile.mkdtemp(prefix="trenova-test-", dir="/tmp"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        for part in PARTS:
            for process in orphans.find(path / "data" / "run" / f"{part}.json"):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def dev_with(**variables: str) -> Iterator[Dev]:
    """Run a separate `trenova dev` with these variables."""
    with home() as path, dev_running(prepared.prepare(path / "data"), free_ports(), **variables) as running:
        yield running


@pytest.fixture(scope="session")
def dev() -> Iterator[Dev]:
    with dev_with() as running:
        yield running


class EncryptingDev(NamedTuple):
    """A `trenova dev` with encryption on, and its key."""

    dev: Dev
    key: str

    @property
    def variables(self) -> dict[str, str]:
        return {**ENABLED, "TEMPORAL_ENCRYPTION_KEY": self.key}


@pytest.fixture(scope="session")
def encrypting_dev() -> Iterator[EncryptingDev]:
    """One for all tests that need such a `trenova dev`; they run in the same process."""
    key = generate_key().text
    with dev_with(**ENABLED, TEMPORAL_ENCRYPTION_KEY=key) as running:
        yield EncryptingDev(running, key)


@dataclass(frozen=True, slots=True)
class User:
    """A user who types commands in one folder while `trenova dev` runs in another."""

    folder: Path
    data_dir: Path
    tenant: str

    def __call__(self, *words: str, stdin: bytes = b"", **variables: str) -> CommandResult:
        """Run `trenova` with these words."""
        variables = {"TRENOVA_DATA_DIR": str(self.data_dir), **variables}
        return run([str(BESIDE_PYTHON / "trenova"), *words], self.folder, stdin, **variables)

    def api(self) -> httpx.Client:
        """A client of the API with the key of `trenova dev`."""
        return api_of(json.loads((self.data_dir / "dev.json").read_text()))

    def add(self, *entries: dict[str, Any]) -> None:
        """Store entries of the tenant; required fields that are missing are filled in."""
        with self.api() as client:
            store(client, *(entry_of(tenant=self.tenant, **entry) for entry in entries))

    def park(self, *entries: dict[str, Any]) -> None:
        """Send entries of the tenant, some of which the database rejects."""
        with self.api() as client:
            sent = [entry_of(tenant=self.tenant, **entry) for entry in entries]
            store(client, *sent, status=httpx.codes.MULTI_STATUS)

    def stored_entries(self) -> list[dict[str, Any]]:
        """At most a thousand entries of the tenant, newest first."""
        with self.api() as client:
            answer = client.get("/v1/entries", params={"tenant": self.tenant, "limit": 1000})
        entries: list[dict[str, Any]] = answer.json()["entries"]
        return entries

    def start(self, *words: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start `trenova` with these words and do not wait for it to exit."""
        return subprocess.Popen(
            [str(BESIDE_PYTHON / "trenova"), *words],
            cwd=self.folder,
            env=environment(TRENOVA_DATA_DIR=str(self.data_dir), **variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


def ndjson(*entries: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(entry_of(**entry)).encode() + b"\n" for entry in entries)


def entry_of(**fields: Any) -> dict[str, Any]:
    return {
        "actor": {"type": "user", "id": "u-1"},
        "action": "shipment.update",
        "target": {"type": "shipment", "id": "s-1"},
        **fields,
    }


@pytest.fixture
def trenova(dev: Dev, tmp_path: Path) -> User:
    return User(tmp_path, dev.data_dir, new_tenant())


@pytest.fixture
def newcomer(tmp_path: Path) -> User:
    """A user with no running servers, no settings and an empty folder."""
    return User(tmp_path, tmp_path / ".trenova", new_tenant())
