"""A tenant's ledger as others read it: from the checkpoint to the root, over full and partial tiles and bundles."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest
from temporalio.client import Client

from conftest import GENEROUS_S, Keys, new_tenant, serving
from contract import tlog_reader
from contract.store.ledger_check import REMOVE, past_triggers
from contract.store.sparse_ledger import sparse_ledger
from contract.tlog_reader import Fetch
from examples import SIGNER, append_as_system, bodies
from trenova.config import Settings
from trenova.dev.ports import choose
from trenova.ledger import note as notes
from trenova.ledger import signing, verify
from trenova.ledger.note import COSIGNATURE
from trenova.ledger.signing import Signer
from trenova.store import Store
from trenova.store.cosignatures import Cosignature

Owner = psycopg.AsyncConnection[tuple[Any, ...]]


async def append(store: Store, tenant: str, count: int) -> None:
    await store.entries.append(str(uuid.uuid4()), bodies(tenant, count))


def fetch_from(http: httpx.AsyncClient, tenant: str) -> Fetch:
    async def fetch(path: str) -> bytes:
        response = await http.get(f"/v1/log/{tenant}/{path}")
        assert response.status_code == 200, (path, response.text)
        return response.content

    return fetch


async def key_of(http: httpx.AsyncClient, tenant: str) -> str:
    response = await http.get(f"/v1/tenants/{tenant}/key")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    (line,) = response.text.splitlines()
    return line


@pytest.mark.parametrize("sizes", [(1,), (255, 1), (256, 1), (300, 700), (600, 0)])
async def test_a_reader_written_from_the_specification_gets_from_the_checkpoint_to_the_root(
    api: httpx.AsyncClient, keys: Keys, store: Store, sizes: tuple[int, ...]
) -> None:
    fetch, size = fetch_from(api, keys.tenant), 0
    for count in sizes:
        if count:
            await append(store, keys.tenant, count)
        size += count
        head = tlog_reader.read_checkpoint(await fetch("checkpoint"), await key_of(api, keys.tenant))
        assert (head.origin, head.size) == (f"{SIGNER.prefix}/{keys.tenant}", size)
        assert await tlog_reader.walk(fetch, head) == await store.ledgers.commitments(keys.tenant, 0, size)


async def test_a_removed_body_changes_nothing_that_a_reader_gets(
    api: httpx.AsyncClient, keys: Keys, store: Store, owner: Owner
) -> None:
    await append(store, keys.tenant, 300)
    fetch, key = fetch_from(api, keys.tenant), await key_of(api, keys.tenant)
    before = await tlog_reader.walk(fetch, tlog_reader.read_checkpoint(await fetch("checkpoint"), key))
    await past_triggers(owner, REMOVE + "index > 200", keys.tenant)
    after = await tlog_reader.walk(fetch, tlog_reader.read_checkpoint(await fetch("checkpoint"), key))
    assert len(before) == 300
    assert after == before


async def test_the_checkpoint_is_served_with_its_cosignatures(api: httpx.AsyncClient, keys: Keys, store: Store) -> None:
    await append(store, keys.tenant, 3)
    served = (await api.get(f"/v1/log/{keys.tenant}/checkpoint")).content
    witness = Signer(name="witness.example.com", seed=bytes(32), algorithm=COSIGNATURE)
    (*_, line) = notes.parse(signing.cosign(notes.parse(served), witness, timestamp=1_700_000_000)).signatures
    cosignature = Cosignature(
        origin=f"{SIGNER.prefix}/{keys.tenant}",
        witness=f"{witness.name}+{witness.key.id.hex()}",
        size=3,
        text=notes.parse(served).text,
        line=line.line,
        cosigned_at=datetime.now(UTC),
    )
    await store.cosignatures.add(cosignature)
    cosigned = notes.parse((await api.get(f"/v1/log/{keys.tenant}/checkpoint")).content)
    assert verify.signatures(cosigned, keys=[witness.key], check=signing.check) == (witness.key,)
    assert cosigned.signatures[:-1] == notes.parse(served).signatures


async def test_the_tiles_of_a_log_of_ten_million_entries_have_long_names(
    api: httpx.AsyncClient, keys: Keys, owner: Owner
) -> None:
    fetch = fetch_from(api, keys.tenant)
    async with sparse_ledger(owner, keys.tenant, size=10_000_000, index=4_999_999) as log:
        tiles = {
            tlog_reader.path(str(row), index, len(hashes) // 32): hashes for (row, index), hashes in log.tiles().items()
        }
        assert tiles.keys() == {
            *("tile/0/x019/531", "tile/0/x039/062.p/128", "tile/1/076", "tile/1/152.p/150", "tile/2/000.p/152"),
        }
        for path, hashes in tiles.items():
            assert await fetch(path) == hashes


async def test_a_partial_tile_is_served_at_every_width_that_it_had_also_when_it_has_grown(
    api: httpx.AsyncClient, keys: Keys, store: Store
) -> None:
    await append(store, keys.tenant, 300)
    fetch = fetch_from(api, keys.tenant)
    for row, record in (("0", 32), ("entries", 34)):
        full, partial = await fetch(f"tile/{row}/000"), await fetch(f"tile/{row}/001.p/44")
        assert len(full) == 256 * record
        for width in (1, 2, 200, 255):
            assert await fetch(f"tile/{row}/000.p/{width}") == full[: width * record]
        for width in (1, 43, 44):
            assert await fetch(f"tile/{row}/001.p/{width}") == partial[: width * record]


@pytest.mark.parametrize(
    "path",
    [
        *("tile/0/001", "tile/0/001.p/45", "tile/0/002", "tile/0/002.p/1", "tile/1/000", "tile/1/000.p/2"),
        *("tile/2/000.p/1", "tile/63/000", "tile/64/000", "tile/0/x036/x028/x797/x018/x963/967"),
        *("tile/entries/001", "tile/entries/001.p/45", "tile/entries/002", "tile/entries/x036/x028/x797/x018/x963/967"),
        *("tile/0/0", "tile/0/0000", "tile/00/000", "tile/0/x000/001", "tile/0/000.p/0", "tile/0/000.p/256"),
        *("tile/0/000.p/01", "tile/0/000.p", "tile/-1/000", "tile/0/%00"),
        *("tile/data/000", "tile/0", "tile", "tile/", "checkpoints", "", "tile/0/000%0a", "tile/0/٠٠٠"),
    ],
)
async def test_a_file_that_does_not_exist_or_is_spelled_differently_is_not_found(
    api: httpx.AsyncClient, keys: Keys, store: Store, path: str
) -> None:
    await append(store, keys.tenant, 300)
    response = await api.get(f"/v1/log/{keys.tenant}/{path}")
    assert response.status_code == 404, response.text
    assert response.headers["Cache-Control"] == "no-store"


async def test_tiles_are_cached_forever_and_checkpoints_for_a_moment(
    api: httpx.AsyncClient, keys: Keys, store: Store
) -> None:
    await append(store, keys.tenant, 256)
    tile = await api.get(f"/v1/log/{keys.tenant}/tile/0/000")
    bundle = await api.get(f"/v1/log/{keys.tenant}/tile/entries/000")
    for response in (tile, bundle):
        assert response.headers["Content-Type"] == "application/octet-stream"
        assert response.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    checkpoint = await api.get(f"/v1/log/{keys.tenant}/checkpoint")
    assert checkpoint.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert checkpoint.headers["Cache-Control"] == "private, max-age=1"


async def test_a_tenant_without_entries_has_no_log_yet_but_a_key(api: httpx.AsyncClient, keys: Keys) -> None:
    for path in ("checkpoint", "tile/0/000.p/1", "tile/entries/000.p/1"):
        assert (await api.get(f"/v1/log/{keys.tenant}/{path}")).status_code == 404
    assert (await key_of(api, keys.tenant)).startswith(f"{SIGNER.prefix}/{keys.tenant}+")


@pytest.fixture
async def public(settings: Settings, store: Store, client: Client) -> AsyncIterator[httpx.AsyncClient]:
    """An API with public ledgers, called without a key."""
    api = settings.api.model_copy(update={"public_logs": True, "port": choose()})
    opened = settings.model_copy(update={"api": api})
    async with (
        serving(opened, store, client) as url,
        httpx.AsyncClient(base_url=url, timeout=GENEROUS_S, verify=False) as http,
    ):
        yield http


async def test_public_logs_are_read_without_a_key_and_nothing_else_is(public: httpx.AsyncClient, store: Store) -> None:
    tenant = new_tenant()
    await append(store, tenant, 300)
    fetch = fetch_from(public, tenant)
    head = tlog_reader.read_checkpoint(await fetch("checkpoint"), await key_of(public, tenant))
    assert len(await tlog_reader.walk(fetch, head)) == 300
    for path in ("/v1/entries", f"/v1/entries/{uuid.uuid4()}/proof", f"/v1/proofs/consistency?from=0&tenant={tenant}"):
        assert (await public.get(path)).status_code == 401


async def test_logs_of_the_system_stay_closed_where_others_are_public(public: httpx.AsyncClient, store: Store) -> None:
    tenant = f"_{new_tenant()}"
    await append_as_system(store, *bodies(tenant, 1))
    paths = [f"/v1/log/{tenant}/{path}" for path in ("checkpoint", "tile/0/000.p/1", "tile/entries/000.p/1")]
    for path in (*paths, f"/v1/tenants/{tenant}/key"):
        assert (await public.get(path)).status_code == 401


FILES = ("checkpoint", "tile/0/000", "tile/0/001.p/44", "tile/entries/000", "tile/entries/001.p/44")


async def test_a_file_that_has_not_changed_is_not_sent_again(api: httpx.AsyncClient, keys: Keys, store: Store) -> None:
    await append(store, keys.tenant, 300)
    for path in (*(f"/v1/log/{keys.tenant}/{path}" for path in FILES), f"/v1/tenants/{keys.tenant}/key"):
        first = await api.get(path)
        tag = first.headers["ETag"]
        for known in (tag, f"W/{tag}", f'"another", {tag}', "*"):
            again = await api.get(path, headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b""), path
            assert again.headers["ETag"] == tag
            assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
        assert (await api.get(path, headers={"If-None-Match": '"another"'})).content == first.content
    before = await api.get(f"/v1/log/{keys.tenant}/checkpoint")
    await append(store, keys.tenant, 1)
    after = await api.get(f"/v1/log/{keys.tenant}/checkpoint", headers={"If-None-Match": before.headers["ETag"]})
    assert after.status_code == 200
    assert after.headers["ETag"] != before.headers["ETag"]


async def test_head_answers_with_the_headers_of_get(api: httpx.AsyncClient, keys: Keys, store: Store) -> None:
    await append(store, keys.tenant, 300)
    paths = [f"/v1/log/{keys.tenant}/{path}" for path in (*FILES, "tile/0/002")]
    others = ["/livez", "/readyz", "/openapi.json", "/docs", "/v1/entries", f"/v1/tenants/{keys.tenant}/key", "/none"]
    for path in (*paths, *others):
        got, head = await api.get(path), await api.head(path)
        assert (head.status_code, head.content) == (got.status_code, b""), path
        for name in ("Content-Type", "Content-Length", "ETag", "Cache-Control"):
            assert head.headers.get(name) == got.headers.get(name), (path, name)
    refused = await api.head("/v1/dead-letters/replay")
    assert refused.status_code == 405
    assert "HEAD" not in refused.headers["Allow"]
    assert "HEAD" in (await api.delete("/v1/entries")).headers["Allow"]


@pytest.mark.parametrize(
    "path",
    [
        *("tile/0/000/", "tile/0//000", "tile//0/000", "/tile/0/000", "tile/0/%30%30%30", "tile/%30/000"),
        *("tile/0/000%2ep/5", "tile/0/000.p//5", "tile/0/000.p/5/", "til%65/0/000", "tile/entries/000/"),
        *("tile/entries/x000/000", "tile%2F0%2F000", "checkpoint/", "/checkpoint", "%63heckpoint", "checkpoint//"),
    ],
)
async def test_every_file_of_a_log_has_one_address(api: httpx.AsyncClient, keys: Keys, store: Store, path: str) -> None:
    await append(store, keys.tenant, 300)
    response = await api.get(f"/v1/log/{keys.tenant}/{path}")
    assert response.status_code == 404, response.text
    assert response.headers["Cache-Control"] == "no-store"


async def test_a_tenant_and_a_key_have_one_spelling_too(api: httpx.AsyncClient, keys: Keys, store: Store) -> None:
    await append(store, keys.tenant, 300)
    spelled = keys.tenant.replace("t-", "t%2D")
    for path in (f"/v1/log/{spelled}/tile/0/000", f"/v1/log/{spelled}/checkpoint"):
        assert (await api.get(path)).status_code == 404, path
    for path in (f"/v1/tenants/{spelled}/key", f"/v1/tenants/{keys.tenant}/key/", f"/v1//tenants/{keys.tenant}/key"):
        assert (await api.get(path)).status_code == 404, path


async def test_a_query_that_bypasses_a_cache_is_ignored(api: httpx.AsyncClient, keys: Keys, store: Store) -> None:
    await append(store, keys.tenant, 300)
    for path in FILES:
        plain = await api.get(f"/v1/log/{keys.tenant}/{path}")
        for query in ("?x=1", "?", "?_=1&_=2", "?%00", "?%ff=%", "?a;b"):
            assert (await api.get(f"/v1/log/{keys.tenant}/{path}{query}")).content == plain.content, (path, query)
    for strict in (f"/v1/tenants/{keys.tenant}/key?x=1", "/v1/entries?x=1", "/livez?x=1"):
        assert (await api.get(strict)).status_code == 400, strict


SITE = {"Origin": "https://monitor.example.org"}


async def test_a_page_of_any_site_reads_public_logs(public: httpx.AsyncClient, store: Store) -> None:
    tenant = new_tenant()
    await append(store, tenant, 300)
    found = [f"/v1/log/{tenant}/{path}" for path in FILES] + [f"/v1/tenants/{tenant}/key"]
    missing = [f"/v1/log/{tenant}/tile/0/002", f"/v1/log/{tenant}/tile/0/000/", f"/v1/log/{new_tenant()}/checkpoint"]
    for path in (*found, *missing):
        answer = await public.get(path, headers=SITE)
        assert answer.status_code == (200 if path in found else 404)
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "ETag" in answer.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer.headers
    assert (await public.get(found[0])).headers["Cache-Control"] == "public, max-age=1"
    assert (await public.get(found[1])).headers["Cache-Control"] == "public, max-age=31536000, immutable"
    asking = {**SITE, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "if-none-match"}
    for path in found:
        allowed = await public.options(path, headers=asking)
        assert allowed.status_code == 204
        assert allowed.headers["Access-Control-Allow-Origin"] == "*"
        assert allowed.headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"
        assert allowed.headers["Access-Control-Allow-Headers"] == "*"
    assert (await public.head(found[0], headers=SITE)).headers["Access-Control-Allow-Origin"] == "*"
    not_allowed = await public.post(found[0], headers=SITE)
    assert (not_allowed.status_code, not_allowed.headers["Access-Control-Allow-Origin"]) == (405, "*")


async def test_no_page_of_another_site_reads_what_needs_a_key(
    public: httpx.AsyncClient, api: httpx.AsyncClient, keys: Keys, store: Store
) -> None:
    await append(store, keys.tenant, 1)
    of_the_system = [f"/v1/log/{name}/checkpoint" for name in ("_trenova", "%5Ftrenova", "%5f")]
    closed = [*of_the_system, "/v1/tenants/_trenova/key", "/v1/entries", "/livez", "/openapi.json", "/metrics"]
    asked = [(public, path) for path in closed]
    asked += [(api, f"/v1/log/{keys.tenant}/checkpoint"), (api, f"/v1/tenants/{keys.tenant}/key")]
    for http, path in asked:
        for method in ("GET", "HEAD", "OPTIONS"):
            answer = await http.request(method, path, headers={**SITE, "Access-Control-Request-Method": "GET"})
            assert [name for name in answer.headers if name.startswith("access-control-")] == [], (method, path)
