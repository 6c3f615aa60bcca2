"""An API process with a spool while Temporal does not run: each acknowledged entry is stored exactly once."""

import asyncio
import json
import os
import resource
import secrets
import signal
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from acceptance.conftest import User, entry_of
from acceptance.encrypted import Program, Site, encrypting, holds, new_key
from conftest import new_tenant
from databases import urls_of
from trenova.config import KIB
from trenova.dev.postgres import Postgres
from trenova.dev.temporal import Temporal
from trenova.store import Store
from waiting import LIMIT_S

# Root may write into read-only folders unless it drops that capability.
UNPRIVILEGED = ("setpriv", "--bounding-set", "-dac_override") if os.geteuid() == 0 else ()


@pytest.fixture
async def site(folder: Path, postgres: Postgres) -> Site:
    """A site whose Temporal does not run until a test starts it."""
    path = folder / f"spool-{secrets.token_hex(4)}"
    path.mkdir()
    async with Store.open(postgres.operator_url) as store:
        api_key = (await store.api_keys.create(tenant=None, role="admin", name="test", by="test")).text
    return Site(path, Temporal(path / "servers"), urls_of(postgres), api_key)


@pytest.fixture
def variables(site: Site) -> dict[str, str]:
    return {**encrypting("k", k=new_key()), "TRENOVA_API__SPOOL__FOLDER": str(site.folder / "spool")}


def entry(tenant: str, **fields: Any) -> dict[str, Any]:
    return {**entry_of(**fields), "id": str(uuid.uuid4()), "tenant": tenant}


async def send_spooled(client: httpx.AsyncClient, *entries: dict[str, Any], wait: str = "") -> str:
    """Send the entries, check that all are spooled, and return the batch id."""
    answer = await client.post(f"/v1/entries{wait}", json=entries)
    assert answer.status_code == 202, answer.text
    assert answer.json()["entries"] == [{"id": each["id"], "state": "spooled"} for each in entries]
    return str(answer.json()["batch_id"])


async def kill(program: Program) -> None:
    program.process.send_signal(signal.SIGKILL)
    await program.process.wait()


async def batch(client: httpx.AsyncClient, batch_id: str) -> dict[str, Any]:
    answer = await client.get(f"/v1/batches/{batch_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def metrics(client: httpx.AsyncClient) -> dict[str, float]:
    lines = (await client.get("/metrics")).text.splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if line.startswith("trenova_") and "_created" not in line]
    return {name: float(value) for name, value in pairs}


async def stored_ids(client: httpx.AsyncClient, tenant: str) -> list[str]:
    page = (await client.get("/v1/entries", params={"tenant": tenant, "limit": 1000})).json()
    return sorted(each["id"] for each in page["entries"])


def failed_requests(api: Program, words: str) -> set[str]:
    """The ids of the requests that failed with these words in the log."""
    lines = [json.loads(line) for line in api.log.read_text().splitlines()]
    return {line["request_id"] for line in lines if line["event"] == "request failed" and words in line["error"]}


def files(folder: Path) -> dict[str, bytes]:
    """The files in the spool; the API may remove delivered ones at the same time."""
    found = {}
    for each in (folder / "spool").iterdir():
        if each.name != ".lock":
            with suppress(FileNotFoundError):
                found[each.name] = each.read_bytes()
    return found


def truncate_file(folder: Path, batch_id: str) -> None:
    path = folder / "spool" / f"{batch_id}.batch"
    os.truncate(path, path.stat().st_size // 2)


async def test_entries_spooled_by_a_killed_api_are_stored_exactly_once(site: Site, variables: dict[str, str]) -> None:
    tenant, marker = new_tenant(), f"marker-{secrets.token_hex(12)}"
    sent = [[entry(tenant, comment=marker, metadata={marker: number}) for number in range(3)] for _ in range(8)]
    api = await site.start("api", variables)
    try:
        async with site.client() as client:
            batches = [await send_spooled(client, *each) for each in sent]
            assert len({await send_spooled(client, *sent[0]), *batches}) == 9  # sent again: a batch with the same ids
            await send_spooled(client, entry(tenant), wait="?wait=stored")
            assert (await batch(client, batches[0])) == {
                "batch_id": batches[0],
                "state": "spooled",
                "entries": 3,
                "stored": 0,
                "duplicate": 0,
                "parked": 0,
                "workflow_id": f"audit-batch-{batches[0]}",
                "workflow_status": "unknown",
            }
            async with asyncio.timeout(LIMIT_S):
                while (readiness := await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - no event for it
                    await asyncio.sleep(0.5)
            assert readiness.json()["spool"] == "10 batches wait for Temporal"
            assert readiness.json()["temporal"].startswith("failed to dial temporal client at ")
            counted = await metrics(client)
            assert (counted["trenova_spool_batches"], counted["trenova_spooled_entries_total"]) == (10, 28)
            assert counted["trenova_spool_bytes"] >= sum(map(len, files(site.folder).values()))
        found = files(site.folder)
        assert len(found) == 10
        assert [name for name, content in found.items() if holds(content, marker) or holds(content, tenant)] == []
        assert marker not in api.log.read_text()
    finally:
        await kill(api)

    # After a kill the next process finds them, still without Temporal; SIGTERM leaves them as well.
    again = await site.start("api", variables)
    async with site.client() as client:
        assert (await metrics(client))["trenova_spool_batches"] == 10
        assert (await batch(client, batches[-1]))["state"] == "spooled"
    await again.stop()
    assert again.process.returncode == 0
    assert files(site.folder) == found

    async with site.temporal.running(), site.running(["api", "worker"], variables), site.client() as client:
        expected = {each["id"] for entries in sent for each in entries}
        async with asyncio.timeout(LIMIT_S):
            while len(await stored_ids(client, tenant)) < 25 or files(site.folder):  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.1)
        ids = await stored_ids(client, tenant)
        assert len(ids) == 25
        assert expected <= set(ids)
        states = [await batch(client, each) for each in batches]
        assert {(each["state"], each["stored"] + each["duplicate"]) for each in states} == {("stored", 3)}
        async with asyncio.timeout(LIMIT_S):  # counted a moment after the file is removed
            while (counted := await metrics(client))["trenova_entries_accepted_total"] < 28:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.1)
        assert (counted["trenova_spool_batches"], counted["trenova_entries_accepted_total"]) == (0, 28)
        await site.store(entry(tenant))


async def test_a_truncated_file_is_set_aside_and_reported_and_the_others_are_stored(
    site: Site, variables: dict[str, str]
) -> None:
    tenant = new_tenant()
    api = await site.start("api", variables)
    async with site.client() as client:
        batches = [await send_spooled(client, entry(tenant)) for _ in range(3)]
    await kill(api)
    truncate_file(site.folder, batches[0])
    async with (
        site.temporal.running(),
        site.running(["api", "worker"], variables) as (api, _),
        site.client() as client,
    ):
        async with asyncio.timeout(LIMIT_S):
            while len(await stored_ids(client, tenant)) < 2:  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.1)
            while list(files(site.folder)) != [f"{batches[0]}.damaged"]:  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.1)
        counted = await metrics(client)
        assert (counted["trenova_spool_batches"], counted["trenova_spool_damaged_files"]) == (0, 1)
        assert "spool file damaged" in api.log.read_text()
        assert (await client.get(f"/v1/batches/{batches[0]}")).status_code == 404


async def test_entries_are_not_accepted_while_the_spool_or_the_disk_is_full_and_accepted_afterwards(
    site: Site, variables: dict[str, str]
) -> None:
    tenant = new_tenant()
    large = {"metadata": {"noise": secrets.token_hex(110 * KIB)}}
    limits = {**variables, "TRENOVA_API__SPOOL__MAX_BYTES": str(4 * 1024 * KIB)}
    async with site.running(["api"], limits) as (api,), site.client() as client:
        await send_spooled(client, entry(tenant))
        # More than the size of its log by then, and less than that of the entry.
        resource.prlimit(api.process.pid, resource.RLIMIT_FSIZE, (64 * KIB, resource.RLIM_INFINITY))
        answer = await client.post("/v1/entries", json=entry(tenant, **large))
        assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (503, True), answer.text
        assert answer.json()["request_id"] in failed_requests(api, "this server's disk cannot store the entries")
        assert "spooling failed" in api.log.read_text()
        assert len(files(site.folder)) == 1
        resource.prlimit(api.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

        taken = 0
        while (answer := await client.post("/v1/entries", json=entry(tenant, **large))).status_code == 202:
            taken += 1
        assert taken > 10
        assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (503, True), answer.text
        assert answer.json()["request_id"] in failed_requests(api, "the spool is full")
        assert len(files(site.folder)) == taken + 1

        async with site.temporal.running(), site.running(["worker"], limits):
            async with asyncio.timeout(LIMIT_S):
                while len(await stored_ids(client, tenant)) < taken + 1:  # noqa: ASYNC110 - no event for it
                    await asyncio.sleep(0.1)
            await site.store(entry(tenant))


async def test_with_a_read_only_folder_nothing_is_acknowledged(site: Site, variables: dict[str, str]) -> None:
    tenant, folder = new_tenant(), site.folder / "spool"
    async with site.running(["api"], variables, before=UNPRIVILEGED) as (api,), site.client() as client:
        await send_spooled(client, entry(tenant))
        folder.chmod(0o555)
        answer = await client.post("/v1/entries", json=entry(tenant))
        assert answer.status_code == 503, answer.text
        assert answer.json()["request_id"] in failed_requests(api, "this server's disk cannot store the entries")
        assert "spooling failed" in api.log.read_text()
        folder.chmod(0o700)
        await send_spooled(client, entry(tenant))
        assert len(files(site.folder)) == 2


async def test_without_a_spool_requests_fail_fast_while_temporal_is_unreachable_and_are_accepted_afterwards(
    site: Site,
) -> None:
    tenant = new_tenant()
    async with site.running(["api"], {}) as (api,), site.client() as client:
        async with asyncio.timeout(LIMIT_S):
            for _ in range(300):
                answer = await client.post("/v1/entries", json=entry(tenant))
                assert answer.status_code == 503, answer.text
                assert "this server cannot do this at the moment" in answer.json()["detail"]
                assert int(answer.headers["Retry-After"]) > 0
                assert site.temporal.address not in answer.text
        # By now the API knows that Temporal is unreachable: it sends nothing, so no outcome is unknown.
        answer = await client.post("/v1/entries", json=entry(tenant))
        assert answer.json()["detail"].endswith("nothing of this request was accepted")
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["spool"]) == (503, "off")
        # What an operator needs is logged once, not with every request.
        cause = f"failed to dial temporal client at {site.temporal.address}: no connection: Connection refused"
        assert ready.json()["temporal"] == cause
        assert "temporal server start-dev" in ready.json()["temporal_hint"]
        (line,) = [line for line in api.log.read_text().splitlines() if "temporal is unreachable" in line]
        assert cause in line
        assert "temporal server start-dev" in line
        async with site.temporal.running(), site.running(["worker"], {}), asyncio.timeout(LIMIT_S):
            while (answer := await client.post("/v1/entries?wait=stored", json=entry(tenant))).status_code == 503:  # noqa: ASYNC110 - as clients do
                await asyncio.sleep(int(answer.headers["Retry-After"]))
            assert answer.status_code == 201, answer.text


async def test_a_second_api_on_the_folder_is_an_error(site: Site, variables: dict[str, str]) -> None:
    async with site.running(["api"], variables):
        ended = await site.command("api", **variables)
        error, hint = ended.error_and_hint()
        assert error.endswith(f"api.spool.folder: {site.folder / 'spool'} is in use by another API process")
        assert hint.startswith("give each API process its own folder")


def test_a_spool_without_encryption_is_an_error_that_names_both_settings(newcomer: User) -> None:
    ended = newcomer(
        "api", TRENOVA_DATABASE__URL="postgresql://nobody@127.0.0.1:1/none", TRENOVA_API__SPOOL__FOLDER="spool"
    )
    error, hint = ended.error_and_hint()
    assert "api.spool.folder: spool given with temporal.security.enableEncryption: false, expected true" in error
    assert "temporal.security.enableEncryption" in hint
    assert "api.spool.folder" in hint
