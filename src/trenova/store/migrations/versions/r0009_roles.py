"""A role for each kind of process with the rights that it needs, and records of what is changed beside the logs."""

from pathlib import Path

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    here = Path(__file__)
    connection.execute(here.with_name("r0009_records.sql").read_text(encoding="utf-8"))
    connection.execute(here.with_name("r0009_roles.sql").read_text(encoding="utf-8"))
