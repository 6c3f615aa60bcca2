"""Trenova processes with encryption on, and functions that inspect what Temporal stores."""

import asyncio
import base64
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from temporalio.client import Client

import preloaded
from acceptance.conftest import (
    BESIDE_PYTHON,
    ENABLED,
    RETRYABLE,
    CommandResult,
    environment,
    run_in,
    with_ids,
)
from databases import Database, urls_of
from examples import SIGNER
from trenova.codec.compose import data_converter_for
from trenova.config import SecuritySettings
from trenova.dev.ports import choose
from trenova.dev.postgres import Postgres
from trenova.dev.process import last_lines
from trenova.dev.temporal import Temporal
from trenova.keys.encryption import generate_key
from trenova.keys.loading import load_keyring
from trenova.store import Store
from waiting import LIMIT_S, becomes

STRICT = {"TRENOVA_TEMPORAL__SECURITY__REQUIRE_ENCRYPTION": "true"}


def new_key() -> str:
    return generate_key().text


def encrypting(key_id: str, **keys: str) -> dict[str, str]:
    """The variables of a program that holds `keys` and encrypts under `key_id`."""
    variables = {f"TEMPORAL_ENCRYPTION_KEY_{name}": text for name, text in keys.items()}
    return {**ENABLED, "TRENOVA_TEMPORAL__SECURITY__ENCRYPTION_KEY_ID": key_id, **variables}


async def encrypting_client(address: str, key: str) -> Client:
    """A Temporal client that encrypts as the API does, with the key `default`."""
    security = SecuritySettings(enableEncryption=True)
    keyring = load_keyring(security, {"TEMPORAL_ENCRYPTION_KEY": key})
    return await Client.connect(address, data_converter=data_converter_for(security, keyring))


def forms_of(marker: str) -> list[bytes]:
    """The marker as plain bytes, and as base64 at each of the three possible offsets."""
    forms = [marker.encode()]
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + marker.encode())
        # The first and the last characters also depend on the neighbouring bytes.
        forms.append(encoded[4 if offset else 0 : -4])
    return forms


def holds(content: bytes, marker: str) -> bool:
    return any(form in content for form in forms_of(marker))


def temporal_cli(address: str, folder: Path, *words: str) -> CommandResult:
    """Run Temporal's command line without the configuration of the user who runs the tests."""
    argv = [str(BESIDE_PYTHON / "temporal"), *words, "--address", address]
    env = environment(HOME=str(folder), XDG_CONFIG_HOME=str(folder))
    ended = subprocess.run(argv, env=env, capture_output=True, timeout=LIMIT_S, check=False)
    return CommandResult(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


def argument_of(process: psutil.Process, flag: str) -> str:
    words = process.cmdline()
    return words[words.index(flag) + 1]


@dataclass(frozen=True, slots=True)
class Program:
    """A running `trenova api` or `trenova worker`."""

    process: asyncio.subprocess.Process | preloaded.AsyncCommand
    log: Path

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def stop(self) -> None:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(LIMIT_S):
            await self.process.wait()


@dataclass(frozen=True, slots=True)
class Site:
    """A PostgreSQL and a Temporal for programs with different keys."""

    folder: Path
    temporal: Temporal
    database_urls: Mapping[str, str]
    """Keyed by program; `trenova` is the command line."""
    api_key: str
    api_port: int = field(default_factory=choose)

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    def environment(self, variables: Mapping[str, str], program: str = "trenova") -> dict[str, str]:
        own = {
            "TRENOVA_DATABASE__URL": self.database_urls[program],
            "TRENOVA_TEMPORAL__HOST_PORT": self.temporal.address,
            "TRENOVA_API__PORT": str(self.api_port),
            "TRENOVA_SIGNING_KEY": SIGNER.secrets[0].secret_text,
            "TRENOVA_DATA_DIR": str(self.folder / "none"),
            "HOME": str(self.folder),
        }
        return environment(**own | dict(variables))

    async def start(
        self,
        name: str,
        variables: Mapping[str, str],
        before: Sequence[str] = (),
        logged: bytes = b"worker started",
    ) -> Program:
        """Start `trenova api` or `trenova worker` and wait until it is ready; `before` is prepended to the command."""
        log = self.folder / f"{name}-{len(list(self.folder.iterdir()))}.log"
        argv, env = [*before, str(BESIDE_PYTHON / "trenova"), name], self.environment(variables, name)
        process: asyncio.subprocess.Process | preloaded.AsyncCommand
        with log.open("wb") as file:
            if preloaded.is_possible(argv, env):
                process = preloaded.AsyncCommand(
                    preloaded.start_logging(argv[1:], environment=env, folder=self.folder, log=file)
                )
            else:
                process = await asyncio.create_subprocess_exec(
                    *argv, stdout=file, stderr=file, env=env, cwd=self.folder
                )

        async def is_ready() -> bool:
            assert process.returncode is None, last_lines(log)
            return await self.answers() if name == "api" else logged in log.read_bytes()

        try:
            await becomes(is_ready, lambda: last_lines(log))
        except AssertionError:
            await Program(process, log).kill()
            raise
        return Program(process, log)

    @asynccontextmanager
    async def running(
        self, names: Sequence[str], variables: Mapping[str, str], before: Sequence[str] = ()
    ) -> AsyncIterator[list[Program]]:
        """Run these programs within the block."""
        async with AsyncExitStack() as stack:
            programs = await asyncio.gather(*(self.start(name, variables, before) for name in names))
            for program in programs:
                stack.push_async_callback(program.stop)
            yield list(programs)

    async def answers(self) -> bool:
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:
            try:
                return (await client.get(f"{self.api_url}/livez", timeout=LIMIT_S)).is_success
            except httpx.TransportError:
                return False

    def client(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.api_key}"}
        return httpx.AsyncClient(base_url=self.api_url, headers=headers, timeout=LIMIT_S, trust_env=False, verify=False)

    async def store(self, *entries: dict[str, Any], status: int = httpx.codes.CREATED) -> httpx.Response:
        """Send entries in one request until they are stored, as clients retry on a slow machine."""
        async with self.client() as client, asyncio.timeout(LIMIT_S):
            request = client.build_request("POST", "/v1/entries?wait=stored", json=with_ids(entries))
            while (answer := await client.send(request)).status_code in RETRYABLE:  # noqa: ASYNC110 - as clients do
                await asyncio.sleep(0.5)
        assert answer.status_code == status, answer.text
        return answer

    async def command(self, *words: str, **variables: str) -> CommandResult:
        """Run `trenova` with these words until it exits."""
        argv, env = [str(BESIDE_PYTHON / "trenova"), *words], self.environment(variables)
        return await asyncio.to_thread(run_in, env, argv, self.folder)

    async def cli(self, *words: str) -> CommandResult:
        return await asyncio.to_thread(temporal_cli, self.temporal.address, self.folder, *words)


@asynccontextmanager
async def start_site(folder: Path, postgres: Database | Postgres) -> AsyncIterator[Site]:
    """Start a separate Temporal, beside the shared PostgreSQL or a separate database."""
    path = folder / f"site-{os.urandom(4).hex()}"
    path.mkdir()
    async with Store.open(postgres.operator_url) as store:
        api_key = (await store.api_keys.create(tenant=None, role="admin", name="test", by="test")).text
    async with Temporal(path / "servers").running() as temporal:
        yield Site(path, temporal, urls_of(postgres), api_key)
