"""Worker, API and doctor as processes, where the connection to Temporal is misconfigured."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from acceptance.encrypted import Program, Site, start_site
from certificates import Authority
from conftest import new_tenant
from examples import entry
from trenova.dev.postgres import Postgres
from waiting import LIMIT_S

NAMESPACE = "audit"
MISSING = f"the namespace {NAMESPACE} does not exist: Namespace {NAMESPACE} is not found."
CREATE = f"temporal operator namespace create --namespace {NAMESPACE}"


@pytest.fixture(scope="module")
async def site(folder: Path, postgres: Postgres) -> AsyncIterator[Site]:
    async with start_site(folder, postgres) as made:
        yield made


async def wait_for_line(program: Program, words: str) -> str:
    """Wait for the first line of the program's log with these words and return it."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            for line in program.log.read_text().splitlines():
                if words in line:
                    return line
            assert program.process.returncode is None, program.log.read_text()
            await asyncio.sleep(0.05)


async def test_worker_and_api_wait_for_a_missing_namespace_and_every_command_names_it(site: Site) -> None:
    variables = {"TRENOVA_TEMPORAL__NAMESPACE": NAMESPACE}
    worker = await site.start("worker", variables, logged=b"waiting")
    try:
        async with site.running(["api"], variables) as (api,), site.client() as client:
            cause = f"failed to dial temporal client at {site.temporal.address}: {MISSING}"
            for program, event in ((worker, "waiting"), (api, "temporal denied access")):
                line = await wait_for_line(program, event)
                assert cause in line
                assert CREATE in line
            for _ in range(20):
                answer = await client.post("/v1/entries", json={**entry(), "tenant": new_tenant()})
                assert answer.status_code == 503, answer.text
                assert site.temporal.address not in answer.text
                assert CREATE not in answer.text
            page = await client.get("/readyz")
            assert (page.status_code, page.json()["temporal"]) == (503, cause)
            assert CREATE in page.json()["temporal_hint"]
            assert api.log.read_text().count("temporal denied access") == 1
            assert "Traceback" not in worker.log.read_text()
            found = {
                each["check"]: each for each in (await site.command("doctor", "--json", **variables)).json["findings"]
            }
            assert found["temporal namespace"]["cause"] == cause
            assert CREATE in found["temporal namespace"]["next_step"]
            for command in (["keys", "check"], ["verify-encryption"], ["reconcile"]):
                error, hint = (await site.command(*command, **variables)).error_and_hint()
                assert error == cause
                assert CREATE in hint

            await site.cli("operator", "namespace", "create", "--namespace", NAMESPACE)
            await wait_for_line(worker, "worker started")
            await wait_for_line(api, "temporal is available again")
            await site.store({**entry(), "tenant": new_tenant()})
    finally:
        await worker.stop()


@pytest.mark.parametrize(
    ("variables", "cause", "next_step"),
    [
        (
            {"TRENOVA_TEMPORAL__HOST_PORT": "localhost:99999"},
            "temporal.hostPort: 'localhost:99999' given, expected a host and a port from 1 to 65535",
            "config/config.yaml",
        ),
        (
            {
                "TRENOVA_TEMPORAL__TLS__CERT_FILE": "{folder}/client.pem",
                "TRENOVA_TEMPORAL__TLS__KEY_FILE": "{folder}/other.key",
            },
            "temporal.tls.keyFile: {folder}/other.key is not the key of the certificate in temporal.tls.certFile",
            "use the key that the certificate was made for",
        ),
    ],
    ids=["port", "key"],
)
async def test_impossible_settings_stop_worker_and_api_with_one_error_and_the_doctor_reports_it(
    site: Site, tmp_path: Path, variables: dict[str, str], cause: str, next_step: str
) -> None:
    authority = Authority(tmp_path)
    authority.issue("client")
    authority.issue("other")
    given = {name: text.format(folder=tmp_path) for name, text in variables.items()}
    cause = cause.format(folder=tmp_path)
    for program in ("worker", "api"):
        error, hint = (await site.command(program, **given)).error_and_hint()
        assert error.startswith(f"invalid configuration: {cause}")
        assert next_step in hint
    found = (await site.command("doctor", "--json", **given)).json["findings"][0]
    assert (found["check"], found["state"]) == ("configuration", "failed")
    assert found["cause"].startswith(cause)
    assert next_step in found["next_step"]
