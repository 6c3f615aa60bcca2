"""`trenova preflight`: a check passes if its item is done, and only then."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from acceptance.doctor.conftest import DoctorReport, report_of
from acceptance.encrypted import STRICT, Site, encrypting, new_key, start_site
from trenova.dev.postgres import Postgres
from waiting import LIMIT_S

# What a test machine cannot have: a production Temporal, and a worker on another machine.
EXPECTED = {"cluster": "failed", "two workers": "warning"}
ORIGIN = {"TRENOVA_LEDGER__ORIGIN": "audit.example.com/v1/log"}
# Workers on one machine cannot share this port, so only preflight gets it.
PAGE = {"TRENOVA_WORKER__HEALTH__PORT": "9464"}
RETENTION = ("operator", "namespace", "update", "--namespace", "default", "--retention", "96h")


@pytest.fixture(scope="module")
def variables() -> dict[str, str]:
    return {**encrypting("k", k=new_key()), **STRICT, **ORIGIN}


@pytest.fixture(scope="module")
async def ready(folder: Path, database: Postgres, variables: dict[str, str]) -> AsyncIterator[Site]:
    """A production site on one machine: encrypted, strict, with two workers."""
    async with start_site(folder, database) as site, site.running(["api", "worker"], variables):
        assert (await site.cli(*RETENTION)).exit_code == 0
        async with site.running(["worker"], variables):
            yield site


async def preflight(site: Site, *flags: str, **variables: str) -> DoctorReport:
    return report_of(
        await site.command("preflight", "--json", *flags, **{"TRENOVA_API_KEY": site.api_key, **variables})
    )


async def test_every_check_that_can_pass_here_passes_and_says_what_was_done(
    ready: Site, variables: dict[str, str], tmp_path: Path
) -> None:
    report = await preflight(ready, "--backup-check", "true", **variables, **PAGE)
    not_ok = {name: each["state"] for name, each in report.findings.items() if each["state"] != "ok"}
    # No entry has been accepted, so Temporal has no batch of the API.
    assert not_ok == {**EXPECTED, "api's temporal": "not checked"}, report
    assert report.exit_code == 12
    assert "development server" in report.fault("cluster")
    causes = {name: each["cause"] for name, each in report.findings.items()}
    assert causes["encryption"].startswith("ran audit-batch-")
    assert "payloads in its history are encrypted" in causes["encryption"]
    assert causes["workflow executed"].startswith("trenova-preflight-")
    assert causes["plain text refused"].startswith("this program and the workers refused a plain payload")
    assert causes["key strength"] == "the key k is 32 bytes (base64) that look random"
    assert causes["namespace retention"] == "closed workflows are kept for 4 days"
    client = await ready.temporal.client()
    async with asyncio.timeout(LIMIT_S):  # Temporal lists closed workflows with a delay
        while [run.id async for run in client.list_workflows("ExecutionStatus = 'Running'")]:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.1)


async def test_what_is_not_done_fails(ready: Site, variables: dict[str, str]) -> None:
    """With default settings; the workers keep theirs."""
    report = await preflight(
        ready, "--backup-check", "exit 7", TEMPORAL_ENCRYPTION_KEY_k=variables["TEMPORAL_ENCRYPTION_KEY_k"]
    )
    assert report.exit_code == 10
    assert "ledger.origin is still localhost:8080/v1/log" in report.fault("ledger origin")
    assert "encryption is off" in report.fault("key strength")
    assert report.findings["encryption"]["cause"] == "`key strength` failed"
    assert "requireEncryption is off" in report.fault("plain text refused")
    assert "ended with 7" in report.fault("backups")
    assert "worker.health.port is not set" in report.fault("monitoring")


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("your-production-encryption-key, and more", "is made from text"),
        ("your-production-encryption-key-of-the-guide", "base64 by chance"),
        ("00" * 32, "has only 1 distinct byte:"),
        (b"correct horse battery staple 32!".hex(), "is 32 characters of text"),
    ],
)
async def test_a_key_that_could_be_guessed_fails(ready: Site, key: str, words: str) -> None:
    report = await preflight(ready, **encrypting("weak", weak=key), **ORIGIN)
    assert words in report.fault("key strength")
    assert "trenova keys generate" in report.fault("key strength")
    assert key not in str(report)


async def test_workers_that_accept_plain_text_a_single_worker_and_missing_backups_are_named(
    folder: Path, database: Postgres, variables: dict[str, str]
) -> None:
    lax = {name: text for name, text in variables.items() if name not in STRICT}
    async with start_site(folder, database) as site, site.running(["api", "worker"], lax):
        report = await preflight(site, **variables, TRENOVA_API_KEY="")
    assert "received a batch in plain text and did not refuse it (accepted)" in report.fault("plain text refused")
    assert "1 worker polls audit-queue; expected 2" in report.fault("two workers")
    assert "for only 24 h, expected at least 3 days" in report.fault("namespace retention")
    assert "archive_mode is off" in report.fault("backups")
    assert "no API key is given" in report.fault("monitoring")
    assert report.findings["encryption"]["state"] == "ok"


async def test_world_readable_files_with_keys_are_named(ready: Site, tmp_path: Path) -> None:
    key = tmp_path / "signing-key"
    key.write_text((await ready.command("keys", "generate", "--signing", "--json")).json["key"])
    key.chmod(0o644)
    report = await preflight(ready, TRENOVA_SIGNING_KEY="", TRENOVA_LEDGER__SIGNING_KEY_FILE=str(key))
    assert report.fault("secret files").startswith(f"every user of this machine may read {key}")
