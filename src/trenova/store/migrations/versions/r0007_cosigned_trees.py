"""What each cosignature is of, and the checkpoints that witnesses or published files contradict."""

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(Path(__file__).with_name("r0007_cosigned_trees.sql").read_text(encoding="utf-8"))
