"""A Merkle tree for each tenant's log, with the entries that are already stored as its first leaves.

The checkpoints of those trees are left to the first worker that starts, since only workers hold the signing key.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alembic import op

from trenova.errors import LedgerDamaged
from trenova.ledger import hashing, tiles, tree
from trenova.ledger.tree import Frontier

revision = "0002"
down_revision = "0001"

# Rows at a time: at 256 KiB each, the most an entry can have, 64 MiB of memory.
CHUNK = 256

ENTRIES = "SELECT index, body FROM entries WHERE tenant = %s AND index >= %s ORDER BY index LIMIT %s"
COMMIT_TO = """
UPDATE entries AS e SET salt = made.salt, commitment = made.commitment
FROM unnest(%b::bigint[], %b::bytea[], %b::bytea[]) AS made (index, salt, commitment)
WHERE e.tenant = %s AND e.index = made.index
"""
ADD_HASHES = """
INSERT INTO tiles AS t (tenant, level, index, hashes) VALUES (%s, %s, %s, %b)
ON CONFLICT (tenant, level, index) DO UPDATE SET hashes = t.hashes || excluded.hashes
"""


def upgrade() -> None:
    # psycopg's own execute: without parameters it takes a percent sign for what it is, and several statements at once.
    connection: Any = op.get_bind().connection.driver_connection
    here = Path(__file__)
    connection.execute(here.with_name("r0002_trees.sql").read_text(encoding="utf-8"))
    for tenant, size in connection.execute("SELECT tenant, size FROM heads WHERE size > 0").fetchall():
        plant(connection, tenant, size)
    connection.execute(here.with_name("r0002_rules.sql").read_text(encoding="utf-8"))


def plant(connection: Any, tenant: str, size: int) -> None:
    """Grow the tree of a log that is there already."""
    frontier = Frontier()
    while rows := connection.execute(ENTRIES, (tenant, frontier.size, CHUNK), binary=True).fetchall():
        commitments = commit_to(connection, tenant, rows)
        growth = tree.grow(frontier, map(hashing.leaf, commitments))
        for addition in tiles.additions(growth.runs):
            connection.execute(ADD_HASHES, (tenant, addition.level, addition.index, addition.hashes))
        frontier = growth.frontier
    if frontier.size != size:
        raise LedgerDamaged(f"the log of {tenant} has {frontier.size} entries, expected {size} as its head says")
    connection.execute("UPDATE heads SET frontier = %b WHERE tenant = %s", (b"".join(frontier.hashes), tenant))


def commit_to(connection: Any, tenant: str, rows: Sequence[tuple[int, bytes]]) -> list[bytes]:
    """Give these rows salts and commitments, and return the commitments."""
    salts = [os.urandom(hashing.SALT_BYTES) for _ in rows]
    commitments = [hashing.commitment(salt, body) for salt, (_, body) in zip(salts, rows, strict=True)]
    connection.execute(COMMIT_TO, ([index for index, _ in rows], salts, commitments, tenant))
    return commitments
