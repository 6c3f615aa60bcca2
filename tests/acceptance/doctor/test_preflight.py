"""`trenova preflight`: a box is ticked where it is done, and only there."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from acceptance.conftest import LIMIT_S
from acceptance.doctor.conftest import Told, told
from acceptance.encrypted import STRICT, Site, encrypting, new_key, site
from trenova.dev.postgres import Postgres

# What a machine for tests cannot have: a Temporal that is not the one for development, and a worker somewhere else.
NOT_HERE = {"cluster": "failed", "two workers": "warning"}
ORIGIN = {"TRENOVA_LEDGER__ORIGIN": "audit.example.com/v1/log"}
# Workers of one machine cannot all have this port, so only preflight is told it.
PAGE = {"TRENOVA_WORKER__HEALTH__PORT": "9464"}
RETENTION = ("operator", "namespace", "update", "--namespace", "default", "--retention", "96h")


@pytest.fixture(scope="module")
def variables() -> dict[str, str]:
    return {**encrypting("k", k=new_key()), **STRICT, **ORIGIN}


@pytest.fixture(scope="module")
async def ready(folder: Path, database: Postgres, variables: dict[str, str]) -> AsyncIterator[Site]:
    """A production of one machine: encrypted, strict, with two workers."""
    async with site(folder, database) as place, place.running(["api", "worker"], variables):
        assert (await place.cli(*RETENTION)).exit_code == 0
        async with place.running(["worker"], variables):
            yield place


async def preflight(place: Site, *flags: str, **variables: str) -> Told:
    return told(await place.command("preflight", "--json", *flags, **{"TRENOVA_API_KEY": place.api_key, **variables}))


async def test_every_box_that_can_be_is_ticked_and_says_what_was_done(
    ready: Site, variables: dict[str, str], tmp_path: Path
) -> None:
    found = await preflight(ready, "--backup-check", "true", **variables, **PAGE)
    wrong = {name: each["state"] for name, each in found.findings.items() if each["state"] != "ok"}
    # No entry has come in, so nothing in Temporal is of the API.
    assert wrong == {**NOT_HERE, "api's temporal": "not checked"}, found
    assert found.exit_code == 12
    assert "development server" in found.fault("cluster")
    said = {name: each["cause"] for name, each in found.findings.items()}
    assert said["encryption"].startswith("ran audit-batch-")
    assert "payloads in its history are encrypted" in said["encryption"]
    assert said["workflow executed"].startswith("trenova-preflight-")
    assert said["plain text refused"].startswith("this program and the workers refused a plain payload")
    assert said["key strength"] == "the key k is 32 bytes (base64) that look random"
    assert said["namespace retention"] == "closed workflows are kept for 4 days"
    client = await ready.temporal.client()
    async with asyncio.timeout(LIMIT_S):  # Temporal lists what has ended a moment later
        while [run.id async for run in client.list_workflows("ExecutionStatus = 'Running'")]:  # noqa: ASYNC110 - as said
            await asyncio.sleep(0.1)


async def test_what_is_not_done_is_a_box_without_a_tick(ready: Site, variables: dict[str, str]) -> None:
    """Here the settings are those of somebody who has done nothing; the workers are as they were."""
    found = await preflight(
        ready, "--backup-check", "exit 7", TEMPORAL_ENCRYPTION_KEY_k=variables["TEMPORAL_ENCRYPTION_KEY_k"]
    )
    assert found.exit_code == 10
    assert "ledger.origin is still localhost:8080/v1/log" in found.fault("ledger origin")
    assert "encryption is off" in found.fault("key strength")
    assert found.findings["encryption"]["cause"] == "`key strength` failed"
    assert "requireEncryption is off" in found.fault("plain text refused")
    assert "ended with 7" in found.fault("backups")
    assert "worker.health.port is not set" in found.fault("monitoring")


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("your-production-encryption-key, and more", "is made from text"),
        ("your-production-encryption-key-of-the-guide", "base64 by chance"),
        ("00" * 32, "has only 1 distinct byte:"),
        (b"correct horse battery staple 32!".hex(), "is 32 characters of text"),
    ],
)
async def test_a_key_that_could_be_guessed_is_no_production_key(ready: Site, key: str, words: str) -> None:
    found = await preflight(ready, **encrypting("weak", weak=key), **ORIGIN)
    assert words in found.fault("key strength")
    assert "trenova keys generate" in found.fault("key strength")
    assert key not in str(found)


async def test_workers_that_take_plain_text_one_worker_and_a_server_that_is_not_backed_up_are_named(
    folder: Path, database: Postgres, variables: dict[str, str]
) -> None:
    lax = {name: text for name, text in variables.items() if name not in STRICT}
    async with site(folder, database) as place, place.running(["api", "worker"], lax):
        found = await preflight(place, **variables, TRENOVA_API_KEY="")
    assert "received a batch in plain text and did not refuse it (accepted)" in found.fault("plain text refused")
    assert "1 worker polls audit-queue; expected 2" in found.fault("two workers")
    assert "for only 24 h, expected at least 3 days" in found.fault("namespace retention")
    assert "archive_mode is off" in found.fault("backups")
    assert "no API key is given" in found.fault("monitoring")
    assert found.findings["encryption"]["state"] == "ok"


async def test_files_with_keys_that_everybody_may_read_are_named(ready: Site, tmp_path: Path) -> None:
    key = tmp_path / "signing-key"
    key.write_text((await ready.command("keys", "generate", "--signing", "--json")).json["key"])
    key.chmod(0o644)
    found = await preflight(ready, TRENOVA_SIGNING_KEY="", TRENOVA_LEDGER__SIGNING_KEY_FILE=str(key))
    assert found.fault("secret files").startswith(f"every user of this machine may read {key}")
