"""Requests that are too large, or whose type, method, path or parameters the API does not know."""

from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.requests import GOOD, JSON, NDJSON, post, problem
from examples import entry

MIB = 1024 * 1024


async def test_too_many_entries_are_a_413_that_says_how_many(api: httpx.AsyncClient, nothing_stored: None) -> None:
    for content, content_type in ((b"[" + b"{}," * 10_000 + b"{}]", JSON), (b"{}\n" * 10_001, NDJSON)):
        document = problem(await post(api, content, content_type), 413)
        assert "10,001" in document["detail"]


async def test_too_large_a_request_is_a_413(api: httpx.AsyncClient, nothing_stored: None) -> None:
    content = b"[" + GOOD + b" " * 16 * MIB + b"]"
    problem(await post(api, content), 413)


async def test_too_large_a_request_without_a_stated_length_is_a_413(
    api: httpx.AsyncClient, nothing_stored: None
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"[" + GOOD
        for _ in range(17):
            yield b" " * MIB
        yield b"]"

    response = await api.post("/v1/entries", content=chunks(), headers={"Content-Type": JSON})
    problem(response, 413)


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json", "*/*"]
)
async def test_another_content_type_is_a_415(api: httpx.AsyncClient, nothing_stored: None, content_type: str) -> None:
    document = problem(await post(api, GOOD, content_type), 415)
    assert "application/json" in document["hint"]


async def test_a_compressed_body_is_a_415(api: httpx.AsyncClient, nothing_stored: None) -> None:
    response = await post(api, GOOD, **{"Content-Encoding": "gzip"})
    assert "gzip" in problem(response, 415)["detail"]


@pytest.mark.parametrize(
    ("method", "path", "word"),
    [
        ("POST", "/v1/entries?wat=stored", "wat"),
        ("POST", "/v1/entries?wait=never", "wait"),
        ("POST", "/v1/entries?wait=", "wait"),
        ("POST", "/v1/entries?partial=perhaps", "partial"),
        ("POST", "/v1/entries?wait=stored&wait=stored", "twice"),
        ("POST", "/v1/entries?tenant=acme", "tenant"),
        ("GET", "/v1/entries?actr=x", "actr"),
        ("GET", "/v1/entries?actor=", "actor"),
        ("GET", "/v1/entries?actor=" + "x" * 1025, "actor"),
        ("GET", "/v1/entries?actor=a%00b", "U+0000"),
        ("GET", "/v1/entries?q=%00", "U+0000"),
        ("GET", "/v1/entries?q=", "q: expected a string of length >= 1"),
        ("GET", "/v1/entries?cursor=%00", "U+0000"),
        ("GET", "/v1/entries?outcome=perhaps", "outcome"),
        ("GET", "/v1/entries?from=2026-01-31T09:30:00", "from"),
        ("GET", "/v1/entries?from=2026-01-31T09:30:00+02:00", "from"),
        ("GET", "/v1/entries?from=2026", "from"),
        ("GET", "/v1/entries?from=yesterday", "from"),
        ("GET", "/v1/entries?to=", "to"),
        ("GET", "/v1/entries?order=oldest", "order"),
        ("GET", "/v1/entries?limit=0", "limit"),
        ("GET", "/v1/entries?limit=1001", "limit"),
        ("GET", "/v1/entries?limit=-1", "limit"),
        ("GET", "/v1/entries?limit=many", "limit"),
        ("GET", "/v1/entries?limit=1&limit=2", "twice"),
        ("GET", "/v1/entries?limit=99999999999999999999", "limit"),
        ("GET", "/v1/entries?cursor=now", "cursor"),
        ("GET", "/livez?x=1", "x"),
    ],
)
async def test_a_query_parameter_that_is_not_understood_is_a_400_that_names_it(
    api: httpx.AsyncClient, nothing_stored: None, method: str, path: str, word: str
) -> None:
    response = await api.request(method, path, content=GOOD, headers={"Content-Type": JSON})
    document = problem(response, 400)
    assert word in document["detail"]


@pytest.mark.parametrize("path", ["/", "/v1", "/v2/entries", "/v1/entries/17", "/v1/batches/", "/%00"])
async def test_an_unknown_path_is_a_404(api: httpx.AsyncClient, path: str) -> None:
    problem(await api.get(path), 404)


@pytest.mark.parametrize("path", ["/v1/entries/01890a5d-ac96-774b-bcce-b302099a8057", "/v1/batches/none"])
async def test_anything_that_does_not_exist_is_a_404(api: httpx.AsyncClient, path: str) -> None:
    problem(await api.get(path), 404)


@pytest.mark.parametrize("batch", ["%00", "a%00b", "%0a", "a%20b", "%C3%A9", "%ff", "x" * 201])
async def test_an_id_that_no_batch_can_have_is_an_error(api: httpx.AsyncClient, batch: str) -> None:
    response = await api.get(f"/v1/batches/{batch}")
    problem(response, response.status_code)
    assert response.status_code in {400, 404}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_another_method_is_a_405(api: httpx.AsyncClient, nothing_stored: None, method: str) -> None:
    problem(await api.request(method, "/v1/entries", json=entry()), 405)


async def test_an_idempotency_key_that_is_empty_or_too_long_is_a_400(
    api: httpx.AsyncClient, nothing_stored: None
) -> None:
    for key in ("", "x" * 256):
        response = await post(api, GOOD, **{"Idempotency-Key": key})
        assert "Idempotency-Key" in problem(response, 400)["detail"]


NAMES = ["actor", "action", "target", "outcome", "from", "to", "q", "order", "cursor", "limit", "tenant"]


@given(query=st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), st.text(max_size=20), max_size=3))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_no_query_causes_a_server_error(api: httpx.AsyncClient, query: dict[str, str]) -> None:
    encoded = {name.encode(errors="surrogatepass"): text.encode(errors="surrogatepass") for name, text in query.items()}
    response = await api.get("/v1/entries", params=httpx.QueryParams(encoded))  # type: ignore[arg-type]
    if response.status_code != 200:
        assert response.status_code in {400, 403}, response.text
        problem(response, response.status_code)
