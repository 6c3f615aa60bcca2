"""An index of the outcomes that are rare in a log: failure and denied."""

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(Path(__file__).with_name("r0003_rare_outcomes.sql").read_text(encoding="utf-8"))
