"""Retention: policies, legal holds, and the one way in which content may leave the log."""

from pathlib import Path

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(Path(__file__).with_name("r0006_retention.sql").read_text(encoding="utf-8"))
