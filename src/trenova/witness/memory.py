"""What a witness keeps in its folder: its key, and the last checkpoint of each log, in SQLite.

The two belong together: a key without its memory would cosign a second history of every log.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from trenova.errors import InvalidConfiguration
from trenova.ledger.checkpoint import Checkpoint
from trenova.ledger.note import COSIGNATURE, KEY_BYTES
from trenova.ledger.signing import Signer, parse_signer
from trenova.witness.judgement import Remembered

KEY, MEMORY = "key", "logs.sqlite3"
WAIT_FOR_LOCK_S = 30
SCHEMA = """
CREATE TABLE IF NOT EXISTS logs (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note BLOB NOT NULL
)
"""
READ = "SELECT size, root FROM logs WHERE origin = ?"
REMEMBER = """
INSERT INTO logs (origin, size, root, note) VALUES (?, ?, ?, ?)
ON CONFLICT (origin) DO UPDATE SET size = excluded.size, root = excluded.root, note = excluded.note
"""


@dataclass(frozen=True, slots=True)
class Memory:
    """The folder of one witness. Any number of processes and threads may use it."""

    path: Path

    def open(self, name: str) -> Signer:
        """The witness's key. A folder without one gets it, under this name; one that is there must have it.

        Raises InvalidConfiguration for a key without a memory.
        """
        key, memory = self.path / KEY, self.path / MEMORY
        if not key.exists():
            self.create(name)
        if not memory.exists():
            raise InvalidConfiguration(
                [f"{memory} is missing: the key beside it would cosign histories that it has never seen"],
                hint="restore the folder, or begin in a new one, with a new name and key",
            )
        signer = parse_signer(key.read_text(encoding="utf-8").strip())
        if signer.name != name or signer.algorithm != COSIGNATURE:
            raise InvalidConfiguration([f"{key} is the key of {signer.name}, not of a witness {name}"])
        return signer

    def create(self, name: str) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.path / MEMORY)) as connection, connection:
            connection.execute(SCHEMA)
        # Dying here leaves a memory without a key, which gets one with the next start: remembering more does no harm.
        signer = Signer(name=name, seed=os.urandom(KEY_BYTES), algorithm=COSIGNATURE)
        with os.fdopen(os.open(self.path / KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{signer.secret_text}\n")
            file.flush()
            os.fsync(file.fileno())

    @contextmanager
    def locked(self) -> Iterator["Locked"]:
        """Everything remembered, to compare with and to replace, for one at a time.

        When the block ends it is on the disk; when it raises nothing has changed.
        """
        with closing(sqlite3.connect(self.path / MEMORY, timeout=WAIT_FOR_LOCK_S, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = EXTRA")  # the directory is synced, too
            connection.execute("BEGIN IMMEDIATE")
            with connection:  # commits or rolls back
                yield Locked(connection)


@dataclass(frozen=True, slots=True)
class Locked:
    connection: sqlite3.Connection

    def last(self, origin: str) -> Remembered:
        row = self.connection.execute(READ, (origin,)).fetchone()
        return Remembered() if row is None else Remembered(size=row[0], root=row[1])

    def remember(self, head: Checkpoint, note: bytes) -> None:
        self.connection.execute(REMEMBER, (head.origin, head.size, head.root, note))
