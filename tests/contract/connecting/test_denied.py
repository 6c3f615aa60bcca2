"""A Temporal that denies access is not unreachable: batches that may never be delivered are not spooled."""

import asyncio
from pathlib import Path

import httpx
import pytest

from conftest import GENEROUS_S, converter, new_tenant, serving
from contract.connecting.cases import CASES, Case
from contract.connecting.conftest import Servers
from contract.lossy_proxy import LossyProxy
from contract.test_group_commit import entries
from examples import entry
from trenova.config import MIB, Settings
from trenova.dev.temporal import Temporal
from trenova.errors import TemporalDenied, TemporalUnreachable
from trenova.ingest import GroupCommit, Spool
from trenova.runtime.connection import connect
from trenova.store import Store

DENIED = [case for case in CASES if case.kind is TemporalDenied]
UNREACHABLE_NAMES = {
    "no server listening",
    "server certificate expired",
    "stopped behind a load balancer that passes TLS on",
    "stopped behind a proxy that ends TLS, with a client certificate",
    "stopped behind a proxy that answers for it",
    "a proxy that forbids",
    "a proxy that answers not found",
}
UNREACHABLE = [case for case in CASES if case.name in UNREACHABLE_NAMES]


@pytest.mark.parametrize("case", DENIED, ids=lambda case: case.name)
async def test_when_temporal_denies_access_nothing_is_spooled_and_readiness_names_the_cause(
    case: Case, servers: Servers, settings: Settings, store: Store, tmp_path: Path
) -> None:
    case_settings = servers.settings(case, settings)
    client = await connect(case_settings.temporal, converter(), lazy=True)
    key = await store.api_keys.create(tenant=None, role="writer", name="test", by="test")
    with Spool.open(tmp_path, 8 * MIB) as spool:
        async with (
            serving(case_settings, store, client, spool=spool) as url,
            httpx.AsyncClient(base_url=url, verify=False) as api,
        ):
            page = await api.get("/readyz", timeout=GENEROUS_S)
            assert page.status_code == 503
            assert servers.fill_in(case, case.cause) in page.json()["temporal"]
            # A request may detect the denial before the API's own check does.
            answer = await api.post(
                "/v1/entries",
                json={**entry(), "tenant": new_tenant()},
                headers={"Authorization": f"Bearer {key.text}"},
                timeout=GENEROUS_S,
            )
        assert answer.status_code == 503, answer.text
        assert servers.address(case) not in answer.text
        assert spool.oldest_first() == []


@pytest.mark.parametrize("case", UNREACHABLE, ids=lambda case: case.name)
async def test_when_temporal_is_unreachable_entries_are_spooled_and_the_api_stays_ready(
    case: Case, servers: Servers, settings: Settings, store: Store, tmp_path: Path
) -> None:
    case_settings = servers.settings(case, settings)
    client = await connect(case_settings.temporal, converter(), lazy=True)
    key = await store.api_keys.create(tenant=None, role="writer", name="test", by="test")
    with Spool.open(tmp_path, 8 * MIB) as spool:
        async with (
            serving(case_settings, store, client, spool=spool) as url,
            httpx.AsyncClient(base_url=url, verify=False) as api,
        ):
            page = await api.get("/readyz", timeout=GENEROUS_S)
            assert (page.status_code, page.json()["ready"]) == (200, True)
            assert servers.fill_in(case, case.cause) in page.json()["temporal"]
            answer = await api.post(
                "/v1/entries",
                json={**entry(), "tenant": new_tenant()},
                headers={"Authorization": f"Bearer {key.text}"},
                timeout=GENEROUS_S,
            )
            assert answer.status_code == 202, answer.text
        assert len(spool.oldest_first()) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 503])
async def test_a_proxy_that_starts_to_answer_instead_of_temporal_makes_it_unreachable_not_denied(
    status: int, servers: Servers, settings: Settings, temporal: Temporal
) -> None:
    """For a client that was connected before: its errors differ from those of a first call."""
    proxy = LossyProxy("127.0.0.1", temporal.port)
    async with proxy.running():
        client = await connect(settings.temporal.model_copy(update={"host_port": proxy.address}), converter())
        host, _, port = servers.addresses[f"HTTP {status}"].rpartition(":")
        proxy.target = (host, int(port))
        proxy.cut()
        commit = GroupCommit(client)
        async with commit.running(), asyncio.timeout(GENEROUS_S):
            with pytest.raises(TemporalUnreachable):
                await commit.add(entries(new_tenant(), 1))
            await commit.breaker.unreachable.wait()
            assert isinstance(commit.breaker.fault, TemporalUnreachable)
            proxy.target = ("127.0.0.1", temporal.port)
            proxy.cut()
            await commit.breaker.reachable.wait()
            assert await commit.add(entries(new_tenant(), 1))


async def test_a_denied_start_fails_at_once_and_the_denial_is_remembered_until_it_is_over(
    servers: Servers, settings: Settings
) -> None:
    case = next(case for case in CASES if case.name == "API key wrong")
    client = await connect(servers.settings(case, settings).temporal, converter(), lazy=True)
    commit = GroupCommit(client)
    async with commit.running(), asyncio.timeout(GENEROUS_S):
        with pytest.raises(TemporalDenied, match="Temporal denied this server access"):
            await commit.add(entries(new_tenant(), 1))
        while not commit.breaker.is_denied:  # noqa: ASYNC110 - nothing has an event for it
            await asyncio.sleep(0.05)
        # Temporal answered, so the breaker is closed.
        assert not commit.breaker.unreachable.is_set()
        client.api_key = "sesame"
        while commit.breaker.fault is not None:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)
        assert await commit.add(entries(new_tenant(), 1))
    assert not isinstance(commit.breaker.fault, TemporalUnreachable)
