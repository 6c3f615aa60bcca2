"""Entries that the database refuses, parked until they can be stored."""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(Path(__file__).with_name("r0005_dead_letters.sql").read_text(encoding="utf-8"))
