"""How fast evidence is verified, as a share of bare hashing, and what appending to a tree costs.

Run: python benchmarks/ledger.py [/path/to/cloudtrail.ndjson.gz] [rounds]

The floor hashes the same bytes and nothing else: the commitment of every salt and body, its leaf, and the nodes of the
tree, in one process. Rounds of floor and check alternate and medians are printed, so that a machine that slows down
slows both. `share` is floor time over check time: 1 would mean that reading, parsing and comparing cost nothing. For
all cores the floor runs in as many processes at once, each over its part, so that the share says the same there.
"""

import gzip
import io
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from pathlib import Path

from trenova.ledger import checkpoint, hashing, prove, signing, tiles, tree
from trenova.ledger.checkpoint import Checkpoint
from trenova.ledger.evidence import check as checking
from trenova.ledger.evidence import write
from trenova.ledger.evidence.lines import Entry, Header
from trenova.ledger.evidence.write import Section

ENTRIES = 100_000
ROUNDS = 7
BATCH = 500  # leaves appended in one transaction
ORIGIN = checkpoint.origin("audit.example.com/v1/log", "acme")
SIGNER = signing.Signer(name=ORIGIN, seed=bytes(32))

Rows = list[tuple[bytes, bytes]]


def synthetic(size: int) -> list[bytes]:
    """Bodies of about `size` bytes, in the shape of an entry."""
    pad = "x" * max(0, size - 90)
    return [
        b'{"action":"shipment.update","actor":{"id":"%d","type":"user"},"comment":"%s"}' % (n, pad.encode())
        for n in range(ENTRIES)
    ]


def evidence(rows: Rows) -> bytes:
    """An evidence file of all rows."""
    commitments = [hashing.commitment(salt, body) for salt, body in rows]
    stored: dict[tuple[int, int], bytes] = {}
    growth = tree.grow(tree.Frontier(), [hashing.leaf(one) for one in commitments])
    for one in tiles.additions(growth.runs):
        stored[one.level, one.index] = one.hashes
    read, size = tiles.node_reader(stored), len(rows)
    head = Checkpoint(origin=ORIGIN, size=size, root=tree.root(growth.frontier))
    header = Header(
        tenant="acme",
        origin=ORIGIN,
        keys=(SIGNER.key.text,),
        first=0,
        count=size,
        checkpoint=signing.sign(head, [SIGNER]).decode(),
    )
    out = io.BytesIO()
    out.write(write.start(header))
    for tile in write.tiles(header):
        span = range(tile * tiles.WIDTH, min(size, (tile + 1) * tiles.WIDTH))
        part = Section(
            tile=tile,
            commitments=tuple(commitments[span.start : span.stop]),
            path=prove.hashes(prove.tile_spans(tile, size), read),
            entries=[Entry(index=index, salt=rows[index][0], body=rows[index][1]) for index in span],
        )
        out.write(write.section(part))
    out.write(write.finish(header))
    return out.getvalue()


def floor(rows: Rows) -> bytes:
    """Only the hashing that a check of these rows needs."""
    domain = hashing.ENTRY_DOMAIN
    row = [sha256(b"\x00" + sha256(domain + salt + body).digest()).digest() for salt, body in rows]
    while len(row) > 1:
        pairs = iter(row)
        row = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=False)] + row[
            len(row) & ~1 :
        ]
    return row[0]


HELD: Rows = []


def hold(rows: Rows) -> None:
    HELD[:] = rows


def floor_of_held(part: int, parts: int) -> None:
    floor(HELD[part * len(HELD) // parts : (part + 1) * len(HELD) // parts])


def seconds_of(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def verify(data: bytes, processes: int) -> None:
    verdict = checking.check(io.BytesIO(data), check_signature=signing.check, keys=[SIGNER.key], processes=processes)
    assert verdict.holds
    assert verdict.entries == ENTRIES


def median_of(rounds: int, *works: Callable[[], object]) -> Sequence[float]:
    times: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for one, work in zip(times, works, strict=True):
            one.append(seconds_of(work))
    return [statistics.median(one) for one in times]


def report(name: str, bodies: list[bytes], rounds: int) -> None:
    rows = [(os.urandom(hashing.SALT_BYTES), body) for body in bodies]
    data = evidence(rows)
    packed = gzip.compress(data, 6)
    cores = os.cpu_count() or 1
    size = sum(map(len, bodies)) / len(bodies)
    print(
        f"\n{name}: {len(rows)} entries of {size:.0f} bytes, file {len(data) / len(rows):.0f} bytes an entry, "
        f"{len(packed) / len(rows):.0f} packed"
    )
    bare, plain, unpacked = median_of(rounds, lambda: floor(rows), lambda: verify(data, 1), lambda: verify(packed, 1))
    line(f"1 process, floor {bare / len(rows) * 1e6:.2f} µs", bare, plain, len(rows))
    line("1 process, gzip", bare, unpacked, len(rows))
    with ProcessPoolExecutor(cores, initializer=hold, initargs=(rows,)) as pool:

        def all_floors() -> None:
            list(pool.map(floor_of_held, range(cores), [cores] * cores))

        all_floors()
        bare, plain, unpacked = median_of(
            rounds, all_floors, lambda: verify(data, cores), lambda: verify(packed, cores)
        )
    line(f"{cores} processes, starting them included", bare, plain, len(rows))
    line(f"{cores} processes, gzip", bare, unpacked, len(rows))


def line(name: str, bare: float, took: float, count: int) -> None:
    print(f"  {name:44} {count / took:10,.0f} entries/s  {took / count * 1e6:6.2f} µs each  share {bare / took:.2f}")


def appending(rounds: int) -> None:
    leaves = [sha256(number.to_bytes(4, "big")).digest() for number in range(ENTRIES)]
    print(f"\nappending {ENTRIES} leaves")
    for size in (1, 10, BATCH, ENTRIES):

        def grow(step: int = size) -> None:
            frontier = tree.Frontier()
            for at in range(0, ENTRIES, step):
                growth = tree.grow(frontier, leaves[at : at + step])
                tiles.additions(growth.runs)
                tree.root(growth.frontier)
                frontier = growth.frontier

        bare, took = median_of(rounds, lambda: [sha256(b"\x01" + one + one).digest() for one in leaves], grow)
        print(
            f"  {size:6} at a time, with root and tiles: {ENTRIES / took:10,.0f} leaves/s  "
            f"{took / ENTRIES * 1e6:6.2f} µs each  ({bare / took:.2f} of one bare node hash a leaf)"
        )
    text = Checkpoint(origin=ORIGIN, size=1, root=bytes(32))
    took = seconds_of(lambda: [signing.sign(text, [SIGNER]) for _ in range(1000)])
    print(f"  signing a checkpoint: {took * 1e3:.0f} µs")


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS  # noqa: PLR2004 - the second argument
    print(f"{os.cpu_count()} cores, {rounds} alternating rounds, medians")
    report("synthetic", synthetic(400), rounds)
    if path is not None:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        lines = content.splitlines()
        report(path.name, [lines[number % len(lines)] for number in range(ENTRIES)], rounds)
    appending(rounds)


if __name__ == "__main__":
    main()
