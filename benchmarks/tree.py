"""What the trees cost an append: the same batches with trees, and without hashing, signing or storing them.

Both ways go through `Entries.append`. Without trees a commitment is 32 zero bytes, heads move with a frontier of zeros,
and the checkpoint is an empty note: one row a batch that stays, so the ratio is a trifle too good.
"""

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from unittest import mock

from benchmarks.entries import sealed_bodies
from benchmarks.measurement import Measurement
from benchmarks.report import Spread, spread
from benchmarks.rounds import Round, Say
from benchmarks.servers import Servers

from trenova.ledger.hashing import HASH_BYTES
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.ledger.signing import Signer
from trenova.ledger.tree import Frontier
from trenova.store import Store
from trenova.store.appending.trees import GrownTree

BATCHES = (1250, 100)
APPENDS = 8
NOTES = {
    "with": "append as the worker does it: commitments, tiles, a signed checkpoint",
    "without": "the same append with constants in their place",
}


# What the trees added: their own tables with indexes and TOAST, and two columns of `entries`.
BYTES_AN_ENTRY = """
SELECT (
    SELECT sum(pg_total_relation_size(each)) FROM unnest('{heads,tiles,checkpoints}'::regclass[]) AS each
) / count(*)::float8 + avg(pg_column_size(salt) + pg_column_size(commitment))::float8
FROM entries
"""


async def by_batch(servers: Servers, rounds: int, say: Say) -> tuple[list[Round], Spread]:
    """Rounds with and without trees, and the bytes an entry that the trees take with the largest batches."""
    measured: list[Round] = [{} for _ in range(rounds)]
    taken: list[float] = []
    signer = LedgerSigner(prefix="bench", secrets=(Signer(name="bench", seed=bytes(32)),))
    async with Store.open(servers.postgres.worker_url, pool_size=1, signer=signer) as store:
        for number, each in enumerate([{}, *measured]):  # the first warms up
            for entries in BATCHES:
                for way in ("with", "without") if number % 2 else ("without", "with"):
                    say(f"round {number}: {way} trees, batches of {entries}")
                    each[name_of(way, entries)] = await run(servers, store, way, entries)
                    if (way, entries) == ("with", max(BATCHES)):
                        taken.append(await bytes_an_entry(servers))
    value = spread(taken)
    assert value is not None
    return measured, value


async def bytes_an_entry(servers: Servers) -> float:
    found = await servers.owner.execute(BYTES_AN_ENTRY)
    (taken,) = (await found.fetchone()) or (0,)
    return float(taken)


def name_of(way: str, entries: int) -> str:
    return f"{way} trees, batches of {entries:,}"


async def run(servers: Servers, store: Store, way: str, entries: int) -> Measurement:
    await servers.empty_log()
    batches = [sealed_bodies(entries, tenant="acme") for _ in range(APPENDS)]
    with without_trees() if way == "without" else with_trees():
        begin = time.monotonic()
        for bodies in batches:
            await store.entries.append(str(uuid.uuid4()), bodies)
        seconds = time.monotonic() - begin
    return Measurement(contestant=name_of(way, entries), entries=entries * APPENDS, seconds=seconds)


@contextmanager
def with_trees() -> Iterator[None]:
    yield


@contextmanager
def without_trees() -> Iterator[None]:
    def grow_bare(_: LedgerSigner, heads: Mapping[str, Frontier], fresh: Mapping[str, bytes]) -> list[GrownTree]:
        return [bare(tenant, heads[tenant].size, len(joined) // HASH_BYTES) for tenant, joined in fresh.items()]

    def zero_commitment(_salt: bytes, _body: bytes) -> bytes:
        return bytes(HASH_BYTES)

    with (
        mock.patch("trenova.store.appending.rows.commitment", zero_commitment),
        mock.patch("trenova.store.appending.trees.grow_trees", grow_bare),
    ):
        yield


def bare(tenant: str, before: int, added: int) -> GrownTree:
    size = before + added
    frontier = Frontier(size=size, hashes=(bytes(HASH_BYTES),) * size.bit_count())
    return GrownTree(tenant=tenant, before=before, frontier=frontier, additions=(), note=b"")


def ratios(rounds: Sequence[Round]) -> dict[int, Spread]:
    """Speed with trees / without, by the size of the batches, within each round."""
    found: dict[int, Spread] = {}
    for entries in BATCHES:
        value = spread(
            each[name_of("with", entries)].entries_per_s / each[name_of("without", entries)].entries_per_s
            for each in rounds
        )
        assert value is not None
        found[entries] = value
    return found
