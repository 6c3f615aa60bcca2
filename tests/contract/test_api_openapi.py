"""The OpenAPI document, and the page that shows it, describe what the API does."""

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler

from conftest import GENEROUS_S, Keys
from examples import SIGNER
from trenova.api import app
from trenova.api.ledger_keys import public_keys_of
from trenova.api.query import QUERY
from trenova.config import Settings
from trenova.store import Store

# Of generated requests for each operation, beside those that cover each parameter's boundaries. `make fuzz` sets more.
EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "5")
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.fixture
async def document(api: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await api.get("/openapi.json")).json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


async def test_schemathesis_finds_no_answer_that_the_document_does_not_describe(
    api_url: str, keys: Keys, tmp_path: Path
) -> None:
    """In another process: the API runs in this one, and may take a while to answer that it waited too long."""
    command = ["-m", "schemathesis.cli", "run", f"{api_url}/openapi.json"]
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, *command, "--header", f"Authorization: Bearer {keys.any_tenant}", "--checks", CHECKS),
        *(
            "--max-examples",
            EXAMPLES,
            "--generation-deterministic",
            "--no-color",
            "--request-timeout",
            str(2 * GENEROUS_S),
        ),
        *("--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all", "--warnings", "off"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await run.communicate()
    assert run.returncode == 0, output.decode()


async def test_every_operation_has_an_id_a_summary_and_a_tag(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for *_, operation in operations(document)]
    assert len(ids) == len(set(ids))
    assert [each for each in ids if not re.fullmatch(r"[a-z]+(_[a-z]+)*", each)] == []
    assert {"add_entries", "list_entries", "read_entry", "read_batch"} <= set(ids)
    for _, _, operation in operations(document):
        assert operation["summary"]
        assert operation["tags"]


async def test_every_error_is_described_as_a_problem_document(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        for status, answer in operation["responses"].items():
            if int(status) < 400 or (path, status) == ("/readyz", "503"):
                continue
            assert list(answer["content"]) == ["application/problem+json"], (method, path, status)


async def test_every_route_with_a_key_may_answer_401_and_403_and_503(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        statuses = operation["responses"].keys()
        open_to_all = operation.get("security") == []
        assert open_to_all == (path in {"/livez", "/readyz"}), path
        assert "400" in statuses, path
        assert open_to_all or {"401", "403", "503"} <= statuses, path
        assert ("404" in statuses) == ("{" in path or path == "/v1/proofs/consistency"), path
        assert {"413", "422"} <= statuses or "requestBody" not in operation, path
        assert "415" in statuses or path != "/v1/entries" or method != "POST", path


async def test_the_document_names_the_parameters_that_each_route_takes_and_no_others(
    document: dict[str, Any], settings: Settings, store: Store
) -> None:
    described = {
        (method, path): {each["name"] for each in operation.get("parameters", []) if each["in"] == "query"}
        for method, path, operation in operations(document)
    }
    taken = {}
    for route in app.create(settings, store, None, public_keys_of(SIGNER)).routes:  # type: ignore[arg-type]  # no request is sent to it
        for handler in getattr(route, "route_handlers", []):
            for method in handler.http_methods:
                path = re.sub(r":\w+}", "}", route.path)
                if isinstance(handler, HTTPRouteHandler) and (method, path) in described:
                    taken[method, path] = set(handler.opt.get(QUERY, ()))
    assert taken == described


async def test_no_pattern_uses_features_of_pythons_regular_expressions_only(document: dict[str, Any]) -> None:
    def patterns(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            if isinstance(node.get("pattern"), str):
                yield node["pattern"]
            node = list(node.values())
        if isinstance(node, list):
            for each in node:
                yield from patterns(each)

    found = set(patterns(document))
    assert found
    assert [each for each in found if re.search(r"\\[AZz]|\(\?P", each)] == []


async def test_the_documentation_page_works_without_any_other_server(api: httpx.AsyncClient) -> None:
    page = await api.get("/docs")
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    requested = re.findall(r"""(?:src|href)=["']([^"']+)["']""", page.text)
    assert requested
    for address in requested:
        if address.startswith("data:"):
            continue
        assert address.startswith("/docs-assets/"), address
        asset = await api.get(address)
        assert asset.status_code == 200
        assert len(asset.content) > 1000
    assert [each for each in re.findall(r"https?://[^\s\"'<>\\]+", page.text) if "w3.org" not in each] == []
    assert "add_entries" in page.text
