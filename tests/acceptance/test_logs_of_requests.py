"""The logs of the servers: a request can be followed through all of them, and none contains a secret."""

import asyncio
import json
import secrets
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from acceptance.conftest import ENABLED, entry_of
from acceptance.encrypted import Site, holds, new_key, start_site
from conftest import new_tenant
from examples import SIGNER
from poison_rule import POISON, poison_rule
from trenova.dev.postgres import Postgres
from waiting import LIMIT_S

DEBUG = {"TRENOVA_LOG__LEVEL": "debug", "TRENOVA_LOG__FORMAT": "json"}


def lines(site: Site, name: str) -> Iterator[dict[str, Any]]:
    """The program's log lines, each a JSON object whichever library wrote it; the last may still be incomplete."""
    for file in site.folder.glob(f"{name}-*.log"):
        for line in file.read_text().split("\n")[:-1]:
            yield json.loads(line)


async def wait_for_stored_line(site: Site) -> dict[str, Any]:
    """Wait for the worker's line about the stored batch; an attempt that was too slow is repeated and logged twice."""
    async with asyncio.timeout(LIMIT_S):
        while not (matching := [line for line in lines(site, "worker") if line["event"] == "batch stored"]):  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.1)
    return matching[0]


async def test_a_request_is_followed_from_its_id_to_the_worker_that_stored_it(folder: Path, postgres: Postgres) -> None:
    tenant, request_id = new_tenant(), f"checkout/{uuid.uuid4()}"
    async with start_site(folder, postgres) as site, site.running(["api", "worker"], {"TRENOVA_LOG__FORMAT": "json"}):
        async with site.client() as client:
            answer = await client.post(
                "/v1/entries?wait=stored", json={**entry_of(), "tenant": tenant}, headers={"X-Request-Id": request_id}
            )
            assert answer.status_code == 201, answer.text
            assert answer.headers.get_list("X-Request-Id") == [request_id]
        (accepted,) = [line for line in lines(site, "api") if line["event"] == "batch accepted"]
        assert accepted["request_ids"] == [request_id]
        assert accepted["batch_id"] == answer.json()["batch_id"]
        stored = await wait_for_stored_line(site)
        assert stored["batch_id"] == accepted["batch_id"]
        assert stored["workflow_id"] == f"audit-batch-{accepted['batch_id']}"
        assert (stored["stored"], stored["duplicate"], stored["parked"]) == (1, 0, 0)


@pytest.mark.parametrize("sent", [None, "", "two words", "x" * 129, "é", "a\tb"])
async def test_a_request_without_a_valid_id_is_assigned_one(
    folder: Path, postgres: Postgres, sent: str | None, ids: Site
) -> None:
    headers = [] if sent is None else [(b"X-Request-Id", sent.encode())]
    async with ids.client() as client:
        answers = [await client.get(path, headers=headers) for path in ("/livez", "/nowhere", "/v1/entries?limit=x")]
    assert [answer.status_code for answer in answers] == [200, 404, 400]
    given = [uuid.UUID(answer.headers["X-Request-Id"]) for answer in answers]
    assert len(set(given)) == 3


@pytest.fixture(scope="module")
async def ids(folder: Path, postgres: Postgres) -> Any:
    async with start_site(folder, postgres) as site, site.running(["api"], {}):
        yield site


async def test_no_log_line_contains_a_secret(folder: Path, postgres: Postgres) -> None:
    marker, key, tenant = f"marker-{secrets.token_hex(12)}", new_key(), new_tenant()
    variables = {**DEBUG, **ENABLED, "TEMPORAL_ENCRYPTION_KEY": key}
    entry = {**entry_of(actor={"type": "user", "id": marker}), "tenant": tenant, "metadata": {"note": marker}}
    token = f"token-{secrets.token_hex(12)}"
    async with start_site(folder, postgres) as site, site.running(["api", "worker"], variables):
        async with site.client() as client, poison_rule(postgres.owner_url):
            answer = await client.post("/v1/entries?wait=stored", json=[entry, {**entry, "action": POISON}])
            assert answer.status_code in {207, 202}, answer.text
            for wrong in ({**entry, "action": f"{marker} {marker}"}, {**entry, marker: 1}):
                assert (await client.post("/v1/entries", json=wrong)).status_code == 422
            broken = f'{{"{marker}'.encode()
            typed = {"Content-Type": "application/json"}
            assert (await client.post("/v1/entries", content=broken, headers=typed)).status_code == 400
            assert (await client.get("/v1/entries", params={"tenant": tenant, "q": marker})).status_code == 200
            assert (await client.get("/metrics")).status_code == 200
            refused = await client.get("/v1/entries", headers={"Authorization": f"Bearer {token}"})
            assert refused.status_code == 401
            stored = await wait_for_stored_line(site)
        written = {file.name: file.read_bytes() for file in site.folder.glob("*-*.log")}
        assert {line["level"] for line in lines(site, "api")} >= {"debug", "info"}
        assert (stored["stored"], stored["parked"]) == (1, 1)
    password = postgres.worker_url.split(":")[2].split("@")[0]
    for secret in (marker, token, key, site.api_key, password, SIGNER.secrets[0].secret_text):
        assert [name for name, content in written.items() if holds(content, secret)] == []
