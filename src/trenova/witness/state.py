"""The state of a witness in its folder: its key, and the last checkpoint that it cosigned of each log, in SQLite.

The two belong together: a key without the checkpoints would cosign a second history of every log.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from trenova.errors import InvalidConfiguration
from trenova.ledger.checkpoint import Checkpoint
from trenova.ledger.note import COSIGNATURE, KEY_BYTES
from trenova.ledger.signing import Signer, parse_signer
from trenova.witness.decision import LastCosigned

KEY, MEMORY = "key", "logs.sqlite3"
WAIT_FOR_LOCK_S = 30
SCHEMA = """
CREATE TABLE IF NOT EXISTS logs (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note BLOB NOT NULL
)
"""
READ = "SELECT size, root, note FROM logs WHERE origin = ?"
REMEMBER = """
INSERT INTO logs (origin, size, root, note, origin_hash) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (origin) DO UPDATE
SET size = excluded.size, root = excluded.root, note = excluded.note, origin_hash = excluded.origin_hash
"""
COLUMNS = "SELECT name FROM pragma_table_info('logs')"
ADD_HASHES = "ALTER TABLE logs ADD COLUMN origin_hash TEXT"
INDEX_HASHES = "CREATE UNIQUE INDEX IF NOT EXISTS logs_by_hash ON logs (origin_hash)"
WITHOUT_HASH = "SELECT origin FROM logs WHERE origin_hash IS NULL"
SET_HASH = "UPDATE logs SET origin_hash = ? WHERE origin = ?"
FIND = "SELECT note FROM logs WHERE origin_hash = ?"


@dataclass(frozen=True, slots=True)
class WitnessState:
    """The folder of one witness. Any number of processes and threads may use it at once."""

    path: Path

    def open(self, name: str) -> Signer:
        """The witness's key, created under this name if the folder has none; an existing key must have this name.

        Raises InvalidConfiguration for a key without its checkpoints.
        """
        key, memory = self.path / KEY, self.path / MEMORY
        if not key.exists():
            self.create(name)
        if not memory.exists():
            raise InvalidConfiguration(
                [f"{memory} is missing: without it the key in this folder could cosign a second history"],
                hint="restore the folder, or start in a new folder, with a new name and key",
            )
        signer = parse_signer(key.read_text(encoding="utf-8").strip())
        if signer.name != name or signer.algorithm != COSIGNATURE:
            raise InvalidConfiguration([f"{key} is the key of {signer.name}, not of a witness {name}"])
        self.upgrade()
        return signer

    def upgrade(self) -> None:
        """Add what the database of an earlier release lacks, atomically."""
        with self.lock() as memory:
            memory.add_hashes()

    def create(self, name: str) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.path / MEMORY)) as connection, connection:
            connection.execute(SCHEMA)
        # Dying here leaves a database without a key; the next start creates the key.
        signer = Signer(name=name, seed=os.urandom(KEY_BYTES), algorithm=COSIGNATURE)
        with os.fdopen(os.open(self.path / KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{signer.secret_text}\n")
            file.flush()
            os.fsync(file.fileno())

    def latest(self, origin_hash: str) -> bytes | None:
        """The last cosigned checkpoint of the log whose origin has this hash; None if there is none."""
        with closing(sqlite3.connect(self.path / MEMORY, timeout=WAIT_FOR_LOCK_S)) as connection:
            row = connection.execute(FIND, (origin_hash,)).fetchone()
        return None if row is None else bytes(row[0])

    @contextmanager
    def lock(self) -> Iterator["LockedState"]:
        """All checkpoints, to compare and to replace, for one caller at a time.

        Changes are on disk when the block ends; if it raises, nothing has changed.
        """
        with closing(sqlite3.connect(self.path / MEMORY, timeout=WAIT_FOR_LOCK_S, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = EXTRA")  # the directory is synced, too
            connection.execute("BEGIN IMMEDIATE")
            with connection:  # commits or rolls back
                yield LockedState(connection)


@dataclass(frozen=True, slots=True)
class LockedState:
    connection: sqlite3.Connection

    def last(self, origin: str) -> LastCosigned:
        row = self.connection.execute(READ, (origin,)).fetchone()
        return LastCosigned() if row is None else LastCosigned(size=row[0], root=row[1], note=row[2])

    def remember(self, head: Checkpoint, note: bytes) -> None:
        self.connection.execute(REMEMBER, (head.origin, head.size, head.root, note, origin_hash(head.origin)))

    def add_hashes(self) -> None:
        if "origin_hash" not in {name for (name,) in self.connection.execute(COLUMNS)}:
            self.connection.execute(ADD_HASHES)
        # Also rows that an earlier release has added since then, without the hash.
        for (origin,) in self.connection.execute(WITHOUT_HASH).fetchall():
            self.connection.execute(SET_HASH, (origin_hash(origin), origin))
        self.connection.execute(INDEX_HASHES)


def origin_hash(origin: str) -> str:
    """The name of a log in addresses and files: an origin could lead out of a folder, or be too long for a name."""
    return sha256(origin.encode()).hexdigest()
