"""What tests of the API over HTTP share."""

from collections.abc import AsyncIterator

import httpx
import pytest

from conftest import Keys


async def accepted_so_far(api: httpx.AsyncClient, keys: Keys) -> float:
    metrics = await api.get("/metrics", headers={"Authorization": f"Bearer {keys.any_tenant}"})
    (line,) = [each for each in metrics.text.splitlines() if each.startswith("trenova_entries_accepted_total ")]
    return float(line.split()[1])


@pytest.fixture
async def nothing_stored(api: httpx.AsyncClient, keys: Keys) -> AsyncIterator[None]:
    """Whatever the test sends, no entry is accepted and the tenant's ledger is empty."""
    before = await accepted_so_far(api, keys)
    yield
    assert await accepted_so_far(api, keys) == before
    for order in ("newest", "stored"):
        assert (await api.get("/v1/entries", params={"order": order})).json()["entries"] == []
