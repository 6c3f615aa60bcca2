"""Requests of one entry, and the problem documents that answer invalid ones."""

import json
from typing import Any

import httpx

from examples import entry

JSON, NDJSON = "application/json", "application/x-ndjson"
GOOD = json.dumps(entry()).encode()
"""One entry without an id."""


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """The answer as a problem document, checked to have this status."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert document.keys() <= {"type", "title", "status", "detail", "hint", "errors", "more_errors"}
    return document


async def post(api: httpx.AsyncClient, content: bytes, content_type: str = JSON, **headers: str) -> httpx.Response:
    return await api.post("/v1/entries", content=content, headers={"Content-Type": content_type, **headers})
