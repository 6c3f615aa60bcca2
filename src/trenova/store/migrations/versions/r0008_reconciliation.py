"""Which run of a workflow stored a batch, and what a comparison with the closed runs has found."""

from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(Path(__file__).with_name("r0008_reconciliation.sql").read_text(encoding="utf-8"))
