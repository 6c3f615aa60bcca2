"""Entries, the heads of their logs, the batches that brought them, API keys, and the role that may use them."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    # psycopg's own execute: without parameters it takes a percent sign for what it is, and several statements at once.
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(Path(__file__).with_name("r0001_entries.sql").read_text(encoding="utf-8"))
