"""What tests observe of the servers of a data folder: their pids, and the rows of a table that must not be lost."""

from pathlib import Path

import psycopg

from trenova.dev.postgres import Postgres
from trenova.runtime.installation.folder import Folder, read_json


def pid_of(folder: Path, part: str) -> int:
    pid = read_json(Folder(folder).record(part))["pid"]
    assert isinstance(pid, int)
    return pid


def store_one(postgres: Postgres) -> None:
    with psycopg.connect(postgres.owner_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
        connection.execute("INSERT INTO kept VALUES (1)")


def count_stored(postgres: Postgres) -> int:
    with psycopg.connect(postgres.owner_url) as connection:
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
    assert row is not None
    return int(row[0])
