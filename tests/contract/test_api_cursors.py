"""Cursors that this API did not issue, or issued for another list."""

import base64
from typing import Any

import httpx
import msgspec
import pytest

from conftest import GENEROUS_S, Keys
from examples import entry

TIME = msgspec.msgpack.Ext(-1, (1_700_000_000).to_bytes(4))
ID = "01890a5d-ac96-774b-bcce-b302099a8057"


def cursor(position: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(position)).rstrip(b"=").decode()


@pytest.mark.parametrize("order", ["newest", "stored"])
@pytest.mark.parametrize(
    "text",
    ["x", "xy", "====", "/w", "%%%", "é", "_" * 1000, cursor([]), cursor(["page"]), cursor({"page": 1}), cursor(17)],
)
async def test_a_text_that_is_not_a_cursor_is_a_400(api: httpx.AsyncClient, order: str, text: str) -> None:
    response = await api.get("/v1/entries", params={"order": order, "cursor": text})
    assert response.status_code == 400
    assert "cursor" in response.json()["detail"]


@pytest.mark.parametrize(
    ("order", "position"),
    [
        ("newest", ["page", TIME, "a\0b", ID]),
        ("newest", ["page", "2026-01-01T00:00:00", "acme", ID]),
        ("newest", ["page", TIME, "acme", "17"]),
        ("newest", ["page", TIME, "acme"]),
        ("stored", ["feed", -1, "acme", 0]),
        ("stored", ["feed", 2**63, "acme", 0]),
        ("stored", ["feed", 0, "acme", 2**63]),
        ("stored", ["feed", 0, "acme", -(2**63)]),
        ("stored", ["feed", 0, "a\0b", 0]),
        ("stored", ["feed", "0", "acme", 0]),
    ],
)
async def test_a_forged_cursor_never_causes_a_server_error(api: httpx.AsyncClient, order: str, position: Any) -> None:
    response = await api.get("/v1/entries", params={"order": order, "cursor": cursor(position)})
    assert response.status_code in {200, 400}, response.text


async def test_a_cursor_of_one_order_is_an_error_in_the_other(api: httpx.AsyncClient, keys: Keys) -> None:
    assert (await api.post("/v1/entries?wait=stored", json=[entry(), entry()])).status_code == 201
    page = (await api.get("/v1/entries", params={"limit": 1})).json()["next_cursor"]
    feed = (await api.get("/v1/entries", params={"order": "stored"})).json()["next_cursor"]
    for order, foreign in (("stored", page), ("newest", feed)):
        response = await api.get("/v1/entries", params={"order": order, "cursor": foreign}, timeout=GENEROUS_S)
        assert response.status_code == 400
        assert "was not issued by this list" in response.json()["detail"]
