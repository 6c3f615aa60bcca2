"""Logs under origins of their own, and real witnesses over HTTP to bring them to."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, MutableMapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import uvicorn
from litestar import Litestar

from conftest import GENEROUS_S, new_tenant
from examples import SIGNER, bodies
from trenova.config import LedgerSettings
from trenova.dev.ports import choose
from trenova.dev.postgres import Postgres
from trenova.ledger import hashing, signing, tree, verify
from trenova.ledger import note as notes
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.ledger.note import VerifierKey
from trenova.ledger.tree import Frontier
from trenova.publishing.cosigning import WitnessPublisher
from trenova.publishing.witnesses import WitnessClient, witnesses_of
from trenova.runtime.http.server import server_config
from trenova.store import Store
from trenova.witness import server
from trenova.witness.state import WitnessState

Owner = psycopg.AsyncConnection[tuple[Any, ...]]


async def set_back(owner: Owner, tenant: str, logs: Store, signer: LedgerSigner, *, size: int) -> None:
    """Roll back a small ledger as only a superuser can: rows, tiles, checkpoints, and the head."""
    leaves = [hashing.leaf(each) for each in await logs.ledgers.commitments(tenant, 0, size)]
    frontier = tree.grow(Frontier(), leaves).frontier
    asked = {
        "tenant": tenant,
        "size": size,
        "note": signer.sign(tenant, size=size, root=tree.root(frontier)),
        "hashes": b"".join(leaves),
        "frontier": b"".join(frontier.hashes),
    }
    async with owner.transaction():
        await owner.execute("SET LOCAL session_replication_role = replica")
        for statement in (
            "DELETE FROM entries WHERE tenant = %(tenant)s AND index >= %(size)s",
            "DELETE FROM checkpoints WHERE tenant = %(tenant)s AND size >= %(size)s",
            "INSERT INTO checkpoints (tenant, size, note) VALUES (%(tenant)s, %(size)s, %(note)b)",
            "UPDATE tiles SET hashes = %(hashes)b WHERE tenant = %(tenant)s AND level = 0",
            "UPDATE heads SET size = %(size)s, frontier = %(frontier)b WHERE tenant = %(tenant)s",
        ):
            await owner.execute(statement, asked)


async def forget(owner: Owner, tenant: str) -> None:
    """Delete the ledger: other tests sign, and verify, all ledgers in the database."""
    async with owner.transaction():
        await owner.execute("SET LOCAL session_replication_role = replica")
        for table in ("entries", "tiles", "checkpoints", "heads", "batches"):
            await owner.execute(f"DELETE FROM {table} WHERE tenant = %s".encode(), [tenant])
        await owner.execute("DELETE FROM cosignatures WHERE substring(origin FROM '[^/]*$') = %s", [tenant])


@pytest.fixture
async def tenant(owner: Owner) -> AsyncIterator[str]:
    name = new_tenant()
    yield name
    await forget(owner, name)


@asynccontextmanager
async def damaged_note(owner: Owner, tenant: str) -> AsyncIterator[None]:
    """Make the ledger's checkpoints invalid notes until the block ends; other tests sign all ledgers there are."""

    async def spoil(sign: bytes) -> None:
        async with owner.transaction():
            await owner.execute("SET LOCAL session_replication_role = replica")
            await owner.execute(
                "UPDATE checkpoints SET note = overlay(note PLACING %b FROM 1) WHERE tenant = %s", [sign, tenant]
            )

    found = await owner.execute("SELECT substring(note FROM 1 FOR 1) FROM checkpoints WHERE tenant = %s", [tenant])
    ((first,),) = await found.fetchall()
    await spoil(b"\xff")
    try:
        yield
    finally:
        await spoil(first)


@pytest.fixture
def signer() -> LedgerSigner:
    """A signer with a prefix that no other test uses, so that other ledgers in the database are ignored."""
    return replace(SIGNER, prefix=f"{uuid.uuid4().hex[:12]}.example.com/log")


@pytest.fixture
async def logs(postgres: Postgres, signer: LedgerSigner) -> AsyncIterator[Store]:
    async with Store.open(postgres.worker_url, signer=signer) as opened:
        yield opened


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=GENEROUS_S, verify=False) as opened:
        yield opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """A witness that can be started, stopped and started again, at one address."""

    service: server.WitnessServer
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def setting(self) -> dict[str, str]:
        return {"url": f"{self.url}/", "key": self.service.signer.key.text}

    @property
    def witness(self) -> WitnessClient:
        return witness_clients([self])[0]

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        async with serve_app(server.create(self.service), self.port):
            yield


def witness_clients(stands: Sequence[Stand]) -> tuple[WitnessClient, ...]:
    return witnesses_of(LedgerSettings.model_validate({"witnesses": [stand.setting for stand in stands]}))


@asynccontextmanager
async def serve_app(app: Litestar, port: int) -> AsyncIterator[None]:
    running = uvicorn.Server(server_config(app, drain_s=server.DRAIN_S, port=port))
    task = asyncio.create_task(running.serve())
    try:
        async with asyncio.timeout(GENEROUS_S):
            while not running.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.02)
        yield
    finally:
        running.should_exit = True
        with suppress(asyncio.CancelledError):
            await task


def stand(folder: Path, name: str, signer: LedgerSigner) -> Stand:
    """A witness that knows the service's ledgers by the one key with the name of their prefix."""
    state = WitnessState(folder / name)
    key = signer.secrets[0].with_name(signer.prefix).key
    return Stand(service=server.WitnessServer(signer=state.open(name), logs=(key,), state=state), port=choose())


@pytest.fixture
def stands(tmp_path: Path, signer: LedgerSigner) -> list[Stand]:
    """Three witnesses, none of them started."""
    return [stand(tmp_path, f"witness.example.com/w{number}", signer) for number in range(3)]


Witnessing = Callable[[Stand], WitnessPublisher]


@pytest.fixture
def witnessing(logs: Store, signer: LedgerSigner, http: httpx.AsyncClient) -> Witnessing:
    """What a worker does for one witness."""
    return lambda to: WitnessPublisher(witness=to.witness, prefix=signer.prefix, store=logs, http=http)


async def append(logs: Store, tenant: str, count: int) -> None:
    await logs.entries.append(str(uuid.uuid4()), bodies(tenant, count))


async def signed_by(logs: Store, tenant: str, size: int, keys: list[VerifierKey]) -> set[VerifierKey]:
    """Those of the keys that have signed the checkpoint as it is handed out; a false line would raise."""
    message = await logs.cosignatures.cosigned_note(tenant, size)
    assert message is not None
    note = notes.parse(message)
    if not {line.key_id for line in note.signatures} & {key.id for key in keys}:
        return set()
    return set(verify.signatures(note, keys=keys, check=signing.check))


def refusals(logged: list[MutableMapping[str, Any]]) -> list[tuple[str, int, str]]:
    """Tenant, size and reason of each ledger that is logged as declined."""
    found = [line for line in logged if line["event"] == "witness declined"]
    assert all(line["log_level"] == "error" for line in found)
    return [(line["tenant"], line["size"], line["reason"]) for line in found]
