"""Any text in place of a path parameter, on every route, gets an answer that names the problem, never a 500."""

import re
from typing import Any

import httpx
import pytest

from conftest import Keys

HOSTILE = {
    "a line end": "acme%0A",
    "a carriage return": "acme%0D",
    "a zero character": "acme%00",
    "a zero character alone": "%00",
    "an escape of a terminal": "%1B%5B2J",
    "a slash": "acme%2Fglobex",
    "a way up": "..%2F..%2Fetc",
    "a dot": "%2E",
    "two dots": "%2E%2E",
    "no UTF-8": "%FF%FE",
    "half a surrogate": "%ED%A0%80",
    "a broken escape": "%zz",
    "right to left": "%E2%80%AE",
    "spaces": "%20",
    "quotes": "%27%22",
    "a percent sign": "%25",
    "4,000 characters": "x" * 4000,
    "a number beyond all": "9" * 400,
}


async def routes(api: httpx.AsyncClient) -> list[tuple[str, str]]:
    """Method and path of every route with a path parameter."""
    document: dict[str, Any] = (await api.get("/openapi.json")).json()
    return [(method.upper(), path) for path, item in document["paths"].items() if "{" in path for method in item]


@pytest.mark.parametrize("case", HOSTILE)
async def test_a_hostile_path_parameter_is_a_client_error_on_every_route(
    api: httpx.AsyncClient, keys: Keys, case: str
) -> None:
    found = await routes(api)
    assert {"/v1/tenants/{tenant}/key", "/v1/batches/{batch_id}", "/v1/entries/{entry_id}"} <= {
        path for _, path in found
    }
    for method, path in found:
        for key in (keys.admin, keys.any_tenant):
            hostile = re.sub(r"\{[^}]*\}", HOSTILE[case], path)
            answer = await api.request(method, hostile, headers={"Authorization": f"Bearer {key}"})
            assert answer.status_code in {400, 401, 403, 404, 405, 414, 415}, (method, hostile, answer.text)
            if answer.headers["Content-Type"] == "application/problem+json":
                assert answer.json()["status"] == answer.status_code
